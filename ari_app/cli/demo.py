"""`kakehashi demo`: everything at once, from nothing: Asterisk, a carrier with phones, the panel, and one callback."""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from ari_app.asterisk import instance
from ari_app.asterisk.carrier import Carrier, carrier_config
from ari_app.asterisk.config import InstanceConfig, Trunk
from ari_app.cli.output import say
from ari_app.config import Part, Settings, load_settings
from ari_app.errors import DemoRunningError
from ari_app.logging import Format, configure

LOG = "kakehashi.log"
KEPT_ENVIRONMENT = frozenset({"KAKEHASHI_ROOTFS"})


def run(
    once: Annotated[
        bool, typer.Option("--once", help="確認して終了する。通話が成立し、音声が双方向に届き、履歴が正しければ 0")
    ] = False,
    directory: Annotated[Path, typer.Option("--dir", help="デモの状態を置くディレクトリ")] = Path("var/demo"),
) -> None:
    """Asterisk、模擬キャリア、管理画面を起動し、コールバックを1件実行して見せる。Ctrl-C ですべて止まる。"""
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    with _only_one(directory), (directory / LOG).open("w") as log:
        configure(Format.JSON, stream=log)
        try:
            went_well = uvloop.run(_demo(directory, once=once))
        except asyncio.CancelledError:  # SIGTERM, before there was anything to show
            went_well = False
    if not went_well:
        raise typer.Exit(1)


async def _demo(directory: Path, *, once: bool) -> bool:
    """Returns whether the callback went as it should."""
    from ari_app.cli.demo_story import open_office, tell  # takes a second to load: not for `--help`

    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    with _network(directory) as carrier:
        settings = _settings(directory)
        office = await open_office(settings)
        async with _serving(settings) as server:
            story = asyncio.create_task(tell(settings, office, carrier))
            await asyncio.wait((server, story), return_when=asyncio.FIRST_COMPLETED)
            if not story.done():  # the server stopped: on Ctrl-C, or by an error, which then is raised
                story.cancel()
                await server
                return False
            went_well = await story
            if not once:
                say("管理画面: {url}", url=settings.base_url)
                for login in office.sign_ins:
                    say("ログインID {login}、パスワード {password}", login=login, password=office.password)
                say("相手の電話番号の例: 09022220031 は5秒で切る、09022220002 は切るまで話す、09022220011 は話中")
                say("別の端末からお客様が切る: {kakehashi} carrier hangup 09022220002 --dir {path}",
                    kakehashi=sys.argv[0], path=carrier.dir)  # fmt: skip
                say("ログ: {path}", path=directory / LOG)
                say("Ctrl-C ですべて終了します")
                await server
    return went_well


@contextlib.contextmanager
def _network(directory: Path) -> Iterator[Carrier]:
    """The PBX and the carrier, on ports that are free, stopped at the end; what a killed demo left is stopped first."""
    homes = directory / "asterisk", directory / "carrier"
    with contextlib.ExitStack() as stack:
        for home in homes:
            instance.stop(home)
            stack.callback(instance.stop, home)
        taken: set[int] = set()
        pbx_sip, carrier_sip = (_free_port(socket.SOCK_DGRAM, port, taken) for port in (5060, 5070))
        pbx_http, pbx_ami, carrier_http, carrier_ami = (
            _free_port(socket.SOCK_STREAM, port, taken) for port in (8088, 5038, 8098, 5048)
        )
        pbx = InstanceConfig(
            dir=homes[0], sip_port=pbx_sip, http_port=pbx_http, ami_port=pbx_ami, trunk=Trunk(port=carrier_sip)
        )
        phones = carrier_config(
            homes[1], sip_port=carrier_sip, http_port=carrier_http, ami_port=carrier_ami, pbx=Trunk(port=pbx_sip)
        )
        carrier = Carrier.start(phones)
        instance.start(pbx, state_file=directory / "asterisk.json")
        say("Asterisk（SIP {sip}、ARI {http}）と模擬キャリア（SIP {carrier}）を起動しました",
            sip=pbx_sip, http=pbx_http, carrier=carrier_sip)  # fmt: skip
        yield carrier


def _settings(directory: Path) -> Settings:
    """The demo's own settings, whatever the environment says, with an empty database."""
    for name in [name for name in os.environ if name.startswith("KAKEHASHI_") and name not in KEPT_ENVIRONMENT]:
        del os.environ[name]
    for file in directory.glob("kakehashi.db*"):
        file.unlink()
    os.environ["KAKEHASHI_STATE_DIR"] = str(directory)
    os.environ["KAKEHASHI_HTTP_BIND"] = f"127.0.0.1:{_free_port(socket.SOCK_STREAM, 8080, set())}"
    return load_settings()


@contextlib.asynccontextmanager
async def _serving(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """The application, listening; its task ends on Ctrl-C or SIGTERM."""
    from ari_app.main import serve

    ready = asyncio.Event()
    server = asyncio.create_task(serve(settings, [Part.ALL], "demo", ready.set))
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait((server, waiting), return_when=asyncio.FIRST_COMPLETED)
        yield server
    finally:
        waiting.cancel()
        server.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await server


def _free_port(kind: socket.SocketKind, wanted: int, taken: set[int]) -> int:
    """`wanted`, or any other port of this machine where something uses it."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found = int(probe.getsockname()[1])
                if found not in taken:
                    taken.add(found)
                    return found
    return _free_port(kind, 0, taken)


@contextlib.contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoRunningError(dir=directory) from None
        yield
