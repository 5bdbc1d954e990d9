"""Events for whoever watches, within this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from ari_app.ports import Event

QUEUE_EVENTS = 1000

log = structlog.get_logger(__name__)


class LocalBus:
    """Implements `ports.Bus`. A watcher that falls behind loses events, which is counted in `lost`."""

    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[Event]] = set()
        self.lost = 0

    @property
    def watched(self) -> bool:
        """Whether anybody subscribes now."""
        return bool(self._watchers)

    def publish(self, event: Event) -> None:
        """Tell every subscriber; never waits."""
        for queue in self._watchers:
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                self.lost += 1
                log.error("watcher_behind", event_name=event.name, lost=self.lost)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Event]]:
        """The events from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_EVENTS)
        self._watchers.add(queue)
        try:
            yield _drain(queue)
        finally:
            self._watchers.discard(queue)


async def _drain(queue: asyncio.Queue[Event]) -> AsyncIterator[Event]:
    while True:
        yield await queue.get()
