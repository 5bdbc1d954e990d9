"""What other processes did, heard from PostgreSQL and told within this one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ari_app.errors import DatabaseUnavailableError
from ari_app.ports import Bus, Event
from db.callbacks import CallbackStore
from db.engine import Database
from db.notify import CHANNEL, CUT, ORDER
from db.session import driver_of, kept_session

log = structlog.get_logger(__name__)


class Relay:
    """Tells `bus` the calls that other processes changed; calls `look` when there may be something for a node to do.

    After a gap it tells every open call, for what was said meanwhile.
    """

    def __init__(self, callbacks: CallbackStore, bus: Bus, look: Callable[[], None]) -> None:
        self._callbacks = callbacks
        self._bus = bus
        self._look = look
        self._changed: set[str] = set()
        self._gap = False
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self, database: Database) -> AsyncIterator[None]:
        """Listen until the end of the block. Raises DatabaseUnavailableError when that cannot be begun."""
        if database.sqlite:
            yield
            return
        telling = asyncio.create_task(self._tell(), name="relay")
        try:
            async with kept_session(database, self._listen):
                yield
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

    async def _listen(self, connection: AsyncConnection) -> None:
        await (await driver_of(connection)).add_listener(CHANNEL, self._hear)
        self._gap = True
        self._news.set()
        self._look()

    def _hear(self, _connection: Any, _pid: int, _channel: str, line: str) -> None:
        word, call_id, sender = line.split(" ")
        if sender == self._callbacks.sender:
            return
        if word in (ORDER, CUT):
            self._look()
        if word != CUT and self._bus.watched:
            self._changed.add(call_id)
            self._news.set()

    async def _tell(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed, gap, self._gap = self._changed, set(), self._gap, False
            if not self._bus.watched:
                continue
            try:
                calls = await self._callbacks.several(changed) if changed else []
                calls += await self._callbacks.all_open() if gap else []
            except DatabaseUnavailableError:
                # The session is about to end too, and after a gap everything open is told.
                log.warning("relay_failed", calls=len(changed))
                continue
            for call in calls:
                self._bus.publish(Event(f"call.{call.state}", call))
