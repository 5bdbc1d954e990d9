"""AMI Originate and the dialplan's Dial(): how a callback is usually made."""

import asyncio
import itertools

import uvloop

from tests.bench import child
from tests.bench.contender import compete
from tests.bench.numbers import COMPANY, agent_number, customer_number


class AmiDial:
    """Implements `contender.Contender`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._ids = itertools.count()
        self._ends: dict[str, asyncio.Future[None]] = {}

    async def call(self, slot: int) -> None:
        """Originate the agent's leg into the dialplan, which dials the customer; over when the agent's leg is."""
        channel_id = f"ami-{next(self._ids)}"
        self._ends[channel_id] = end = asyncio.get_running_loop().create_future()
        try:
            self._send(
                Action="Originate",
                Channel=f"PJSIP/{agent_number(slot)}@trunk",
                ChannelId=channel_id,
                Context="bench",
                Exten=customer_number(slot),
                Priority="1",
                CallerID=COMPANY,
                Async="true",
            )
            await end
        finally:
            del self._ends[channel_id]

    async def totals(self) -> dict[str, float]:
        """Nothing."""
        return {}

    async def read(self, username: str, password: str, ready: asyncio.Event) -> None:
        """Log in, ask for Hangup events only, read them."""
        await self._reader.readline()
        self._send(Action="Login", Username=username, Secret=password, Events="call")
        self._send(Action="Filter", Operation="Add", Filter="Event: Hangup")
        self._send(Action="Ping")
        while True:
            text = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.partition(": ")[::2] for line in text.splitlines())
            if fields.get("Ping") == "Pong":
                ready.set()
            elif fields.get("Event") == "Hangup" and (end := self._ends.get(fields["Uniqueid"])) is not None:
                end.set_result(None)
            elif fields.get("Response") == "Error":
                raise RuntimeError(text)

    def _send(self, **fields: str) -> None:
        self._writer.write(("".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n").encode())


async def _main() -> None:
    given = child.settings()
    contender = AmiDial(*await asyncio.open_connection("127.0.0.1", given["port"]))
    ready = asyncio.Event()
    reading = asyncio.create_task(contender.read(given["username"], given["password"], ready))
    await ready.wait()
    await compete(contender)
    reading.cancel()


if __name__ == "__main__":
    uvloop.run(_main())
