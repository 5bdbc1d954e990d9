"""The scope of a leg that is up: like asyncio.timeout, with a leg's end in the place of a time."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from ari_app.domain.leg import Leg
from ari_app.ports import LegEnded


class Watched(Protocol):
    """A leg whose end can be watched for."""

    def watch(self, body: Callable[[], None]) -> None:
        """Call `body` when the leg is gone. Raises LegEnded when it is gone already."""

    def unwatch(self, body: Callable[[], None]) -> None:
        """The body ended."""

    def first_ended(self) -> Leg:
        """Of this leg and its peer, the one that left first."""


class WhileUp:
    """Cancels the body when the leg is gone and raises LegEnded in its place."""

    def __init__(self, line: Watched) -> None:
        self._line = line
        self._fired = False

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a line's scope belongs into a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._line.watch(self._fire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.unwatch(self._fire)
        if self._fired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise LegEnded(self._line.first_ended()) from None

    def _fire(self) -> None:
        self._fired = True
        self._task.cancel()
