"""Who hears which channel's events: the only per-call state of the telephony side."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

import structlog

from ari_app.ari.events import AriEvent

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Whoever takes events: at once, never waiting."""

    def take(self, event: AriEvent) -> None:
        """Take one event."""


L = TypeVar("L", bound=Listener)


class EventBus(Generic[L]):
    """Listeners by channel id."""

    def __init__(self) -> None:
        self._listeners: dict[str, L] = {}
        self.stranger: Callable[[AriEvent], None] | None = None  # takes what has no listener

    @contextmanager
    def subscribed(self, channel_id: str, listener: L) -> Iterator[None]:
        """Events about the channel go to `listener` inside the block. One listener a channel."""
        if channel_id in self._listeners:
            raise RuntimeError(f"{channel_id} has a listener")
        self._listeners[channel_id] = listener
        try:
            yield
        finally:
            del self._listeners[channel_id]

    def dispatch(self, event: AriEvent) -> None:
        """Hand an event to its listener. A listener's defect must not stop the reader."""
        listener = self._listeners.get(event.channel_id)
        take = listener.take if listener is not None else self.stranger
        if take is None:
            return
        try:
            take(event)
        except Exception:
            log.exception("listener_broken", channel_id=event.channel_id, event_type=event.type)

    def get(self, channel_id: str) -> L | None:
        """The channel's listener."""
        return self._listeners.get(channel_id)

    def listeners(self) -> list[L]:
        """Everybody who listens now."""
        return list(self._listeners.values())
