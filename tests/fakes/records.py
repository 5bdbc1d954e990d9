"""Records in memory, for flows: what was written, in order, and a database that can be slow or away."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ari_app.domain.callback import Callback, State
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import Party
from ari_app.errors import AgentBusyError, CapacityError, DatabaseUnavailableError, NotFoundError


@dataclass(frozen=True)
class Placed:
    """As `ports.Placement`."""

    callback_id: str
    fresh: bool


class Records:
    """Implements `ports.CallbackRecords`; `note` hears `STATE saved` and `closed`."""

    def __init__(self, note: Callable[[str], None] = lambda line: None) -> None:
        self.calls: dict[str, Callback] = {}
        self.rows: list[CdrRow] = []
        self.saved: list[str] = []
        self.cuts: dict[str, Party] = {}
        self.away = False
        self.open = asyncio.Event()  # cleared: every write waits
        self.open.set()
        self._note = note
        self._last: asyncio.Task[None] | None = None

    async def place(self, call: Callback, *, limit: int, idempotency: tuple[str, str] | None = None) -> Placed:
        if self.away:
            raise DatabaseUnavailableError
        await self._write(lambda: None)
        going = [other for other in self.calls.values() if other.ended_at is None]
        if any(other.account_id == call.account_id for other in going):
            raise AgentBusyError
        if 2 * len(going) + 2 > limit:
            raise CapacityError(limit=limit)
        self.keep(call)
        return Placed(call.id, fresh=True)

    async def save(self, call: Callback) -> None:
        state, kept = call.state, _copy(call)
        self._note(f"{state} saving")

        def write() -> None:
            if self.calls[call.id].ended_at is None:
                self.calls[call.id] = kept
                self.saved.append(state)

        await self._write(write)
        self._note(f"{state} saved")

    def note(self, call: Callback) -> None:
        self._note(f"{call.state} noted")
        if self.calls[call.id].ended_at is None:
            self.calls[call.id] = _copy(call)
            self.saved.append(call.state)

    async def close(self, call: Callback, rows: list[CdrRow]) -> None:
        kept = _copy(call)
        self._note("closing")

        def write() -> None:
            if self.calls[call.id].ended_at is None:
                self.calls[call.id] = kept
                self.rows += rows
                self.saved.append(kept.state)

        await self._write(write)
        self._note("closed")

    async def claim(self, node: str, at_most: int, now: datetime) -> list[Callback]:
        if self.away:
            raise DatabaseUnavailableError
        free = [call for call in self.calls.values() if call.node is None and call.ended_at is None][:at_most]
        for call in free:
            call.node = node
        return [replace(call) for call in free]

    async def hand_back(self, node: str, since: datetime) -> None:
        for call in self.calls.values():
            if call.node == node and call.state is State.ACCEPTED and call.created_at > since:
                call.node = None

    async def open_calls(self, node: str) -> list[Callback]:
        return [_copy(call) for call in self.calls.values() if call.node == node and call.ended_at is None]

    async def request_cut(self, callback_id: str, by: Party) -> None:
        if self.calls[callback_id].ended_at is None:
            self.cuts.setdefault(callback_id, by)

    async def cut_requests(self, node: str) -> list[tuple[str, Party]]:
        mine = {call.id for call in await self.open_calls(node)}
        return [(id_, by) for id_, by in self.cuts.items() if id_ in mine]

    async def get(self, callback_id: str) -> Callback:
        if callback_id not in self.calls:
            raise NotFoundError(value=callback_id)
        return self.calls[callback_id]

    # For tests

    def keep(self, call: Callback) -> None:
        """Have a callback written down."""
        self.calls[call.id] = _copy(call)

    async def _write(self, work: Callable[[], None]) -> None:
        """In order, and to the end: what a cancelled caller has ordered is written all the same."""
        self._last = asyncio.create_task(self._after(self._last, work), name="records")
        await asyncio.shield(self._last)

    async def _after(self, previous: asyncio.Task[None] | None, work: Callable[[], None]) -> None:
        if previous is not None:
            await previous
        await self.open.wait()
        work()

    async def drained(self) -> None:
        """Return once everything is written."""
        if self._last is not None:
            await self._last


def _copy(call: Callback) -> Callback:
    return replace(call, legs=[replace(leg) for leg in call.legs])
