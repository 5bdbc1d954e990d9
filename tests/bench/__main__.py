"""`python -m tests.bench`: callbacks a second and the two gaps, against a raw ARI loop and AMI with Dial().

One Asterisk and the phones on loopback; the contenders take turns in short rounds (A B C, A B C, …), so that what the
machine does meanwhile falls on all of them. Needs the rootfs (`make setup`). Ends by itself.
"""

import argparse
import asyncio
import json
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from ari_app.asterisk import instance
from ari_app.asterisk.config import ETC_TEMPLATES, Connection, InstanceConfig, Trunk
from tests.bench.child import Child, started
from tests.bench.report import Measured, Round, table

HOST = "127.0.0.1"
SIP_PORT, PHONES_PORT, HTTP_PORT, AMI_PORT = 15560, 15570, 18790, 15538
RTP_PORTS, PHONES_RTP_PORT = (30000, 32999), 33000
TEMPLATES = Path(__file__).parent / "asterisk"

HOLD_S = 0.1
QUIET_CONCURRENCY = 2
SETTLE_S = 1.0

CONTENDERS = ("product", "raw ARI, WebSocket", "raw ARI, HTTP", "AMI + Dial()")


def main() -> None:
    """Run the rounds, print the table."""
    options = _options()
    measured = asyncio.run(_run(options))
    print(table(measured, options.concurrency, QUIET_CONCURRENCY))
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in measured], indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="length of a round under load (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each contender (%(default)s)")
    parser.add_argument("--concurrency", type=int, default=20, help="calls in flight under load (%(default)s)")
    parser.add_argument("--quiet-seconds", type=float, default=4, help="length of a round for the gaps (%(default)s)")
    parser.add_argument("--database", default="", help="URL of the product's empty database (default: a SQLite file)")
    parser.add_argument("--only", default="", help=f"some of: {'; '.join(CONTENDERS)} (a part of the name is enough)")
    parser.add_argument("--json", type=Path, help="write every round's numbers to this file")
    return parser.parse_args()


async def _run(options: argparse.Namespace) -> list[Measured]:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # Asterisk must not be left behind
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kakehashi-bench-")))
        directory.chmod(0o755)  # Asterisk runs as its own user
        connection = await stack.enter_async_context(_pbx(directory / "pbx"))
        phones = await stack.enter_async_context(
            started("tests.bench.phones", {"host": HOST, "sip_port": PHONES_PORT, "rtp_port": PHONES_RTP_PORT})
        )
        settings = _settings(connection, directory, options)
        measured, children = [], []
        for name in CONTENDERS:
            if options.only in name:
                module, given = settings[name]
                children.append(await stack.enter_async_context(started(module, given)))
                measured.append(Measured(name))
        bench = Bench(phones, directory / "pbx")
        for child in children:
            await bench.round(child, seconds=1, concurrency=4, voice=False)  # warm up
        for turn in range(options.rounds):
            for one, child in zip(measured, children, strict=True):
                one.load.append(
                    await bench.round(child, seconds=options.seconds, concurrency=options.concurrency, voice=False)
                )
            print(f"round {turn + 1} of {options.rounds}", *(f"{one.load[-1].rate:.1f}/s" for one in measured))
        for _ in range(options.rounds):
            for one, child in zip(measured, children, strict=True):
                one.quiet.append(
                    await bench.round(child, seconds=options.quiet_seconds, concurrency=QUIET_CONCURRENCY, voice=True)
                )
        return measured


class Bench:
    """Runs one round, and reads the clocks around it."""

    def __init__(self, phones: Child, pbx: Path) -> None:
        self._phones = phones
        self._pbx = pbx

    async def round(self, child: Child, *, seconds: float, concurrency: int, voice: bool) -> Round:
        """One contender, `concurrency` calls in flight for `seconds`."""
        await self._phones.ask(do="begin", hold_s=HOLD_S, voice=voice)
        before, pbx_before = await self._phones.ask(do="report"), self._pbx_cpu_s()
        result = await child.ask(seconds=seconds, concurrency=concurrency)
        after, pbx_after = await self._phones.ask(do="report"), self._pbx_cpu_s()
        await asyncio.sleep(SETTLE_S)  # the transactions of this round's calls end in nobody's round
        return Round.of(result, after["calls"], after["cpu_s"] - before["cpu_s"], pbx_after - pbx_before)

    def _pbx_cpu_s(self) -> float:
        pid = (self._pbx / "pid").read_text().split()[0]
        stat = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / 100  # proc(5): utime, stime in clock ticks


@asynccontextmanager
async def _pbx(directory: Path) -> AsyncIterator[Connection]:
    config = InstanceConfig(
        dir=directory,
        sip_port=SIP_PORT,
        http_port=HTTP_PORT,
        ami_port=AMI_PORT,
        rtp_ports=RTP_PORTS,
        trunk=Trunk(host=HOST, port=PHONES_PORT),
        ami_write="system,call,reporting,originate",
        templates=(ETC_TEMPLATES, TEMPLATES),
    )
    connection = await asyncio.to_thread(instance.start, config)
    try:
        yield connection
    finally:
        await asyncio.to_thread(instance.stop, directory)


def _settings(
    connection: Connection, directory: Path, options: argparse.Namespace
) -> dict[str, tuple[str, dict[str, object]]]:
    ari = {"url": connection.ari_url, "username": connection.ari_username, "password": connection.ari_password}
    environment = {
        "KAKEHASHI_STATE_DIR": str(directory / "state"),
        "KAKEHASHI_DATABASE_URL": options.database,
        "KAKEHASHI_ARI_URL": connection.ari_url,
        "KAKEHASHI_ARI_USERNAME": connection.ari_username,
        "KAKEHASHI_ARI_PASSWORD": connection.ari_password,
        "KAKEHASHI_CEL_FILE": connection.cel_file,
        "KAKEHASHI_CHANNEL_LIMIT": "10000",
    }
    ami = {
        "port": connection.ami_port,
        "username": connection.ami_username,
        "password": connection.ami_password,
    }
    return {
        "product": ("tests.bench.product", {"environment": environment, "slots": options.concurrency}),
        "raw ARI, WebSocket": ("tests.bench.raw_ari", {**ari, "app": "raw-ws", "transport": "websocket"}),
        "raw ARI, HTTP": ("tests.bench.raw_ari", {**ari, "app": "raw-http", "transport": "http"}),
        "AMI + Dial()": ("tests.bench.ami_dial", ami),
    }


if __name__ == "__main__":
    main()
