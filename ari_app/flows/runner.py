"""A telephony node's work: runs calls as tasks, looks for what other processes ordered and asked, and says it lives."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from ari_app.domain.callback import Callback, State, channel_id
from ari_app.domain.ending import Party, Reason, cut
from ari_app.domain.leg import Role
from ari_app.errors import DatabaseUnavailableError
from ari_app.flows.callback import CallbackRules, Floor, finish, run_callback
from ari_app.flows.recovery import resume, settle
from ari_app.ports import CallbackRecords, Nodes, PastLegs, SwitchError

LOOK_S = 0.25
BEAT_S = 3
SWEEP_S = 10
SILENT_S = 10
CLAIM_AT_MOST = 50
ORDER_FRESH_S = 30

log = structlog.get_logger(__name__)
Work = Callable[[], Coroutine[Any, Any, None]]


class Runner:
    """The part of the desk that carries out orders, on a telephony node."""

    def __init__(
        self,
        floor: Floor,
        rules: CallbackRules,
        node: str,
        tasks: asyncio.TaskGroup,
        records: CallbackRecords,
        nodes: Nodes,
        dead_s: float,
    ) -> None:
        """A node that was silent for `dead_s` seconds is dead."""
        self.floor = floor
        self.node = node
        self._rules = rules
        self._tasks = tasks
        self._records = records
        self._nodes = nodes
        self._dead_s = dead_s
        self._calls: dict[asyncio.Task[None], Callback] = {}
        self._heard_since: datetime | None = None
        self._news = asyncio.Event()

    def begin(self, call: Callback) -> None:
        """Run a call as a task of its own."""
        if call.created_at < self.floor.clock.now() - timedelta(seconds=ORDER_FRESH_S):
            # Nobody waits at the phone any more for an order that lay about while no node was there.
            self._start(call, partial(finish, call, (Reason.INTERRUPTED, Party.SYSTEM), self.floor))
        else:
            self._start(call, partial(run_callback, call, self.floor, self._rules))

    def talking(self, call_id: str) -> bool:
        """Whether a call that runs here is a conversation now."""
        return any(call.id == call_id and call.state is State.TALKING for call in self._calls.values())

    async def adopt(self, past: PastLegs) -> None:
        """Take over what this node had open when it stopped."""
        for call in await self._records.open_calls(self.node):
            self._start(call, partial(resume, call, self.floor, past, self._rules))

    async def rounds(self) -> None:
        """Until cancelled: look for orders and requests from other processes, and say that this node lives."""
        async with asyncio.TaskGroup() as rounds:
            rounds.create_task(_every(BEAT_S, self._beat), name="beat")
            rounds.create_task(_every(LOOK_S, self._take, self._news), name="look")
            rounds.create_task(_every(SWEEP_S, self._sweep), name="sweep")

    def look(self) -> None:
        """Do not wait for the next round: another process ordered or asked something."""
        self._news.set()

    def stop(self) -> None:
        """End what is not yet a conversation; conversations are left up."""
        for task in self._calls:
            task.cancel()

    async def _beat(self) -> None:
        now = self.floor.clock.now()
        try:
            known = await self._nodes.beat(self.node, ready=self.floor.switch.ready, now=now)
            silent = await self._nodes.silent(now - timedelta(seconds=SILENT_S))
        except DatabaseUnavailableError:
            self._heard_since = None
            raise
        if not known:
            await self._give_up_lost_calls()
        # While the database was away nobody could be heard: only silence that this node listened to counts.
        self._heard_since = self._heard_since or now
        for name, seen_at in silent:
            silent_s = (now - max(seen_at, self._heard_since)).total_seconds()
            if name != self.node and silent_s >= SILENT_S:
                await self._look_after(name, seen_at, dead=silent_s >= self._dead_s)

    async def _give_up_lost_calls(self) -> None:
        """The others held this node dead: the calls they closed, or took, end here."""
        ours = {call.id for call in self._calls.values()}
        lost = ours - {call.id for call in await self._records.open_calls(self.node)}
        for call_id in lost:
            log.warning("call_lost", call_id=call_id)
            await self.floor.switch.cut(channel_id(call_id, Role.AGENT), cut(Party.SYSTEM, Reason.INTERRUPTED))

    async def _look_after(self, name: str, seen_at: datetime, *, dead: bool) -> None:
        """See to the calls of a silent node: its orders are for others at once, the rest is closed once it is dead."""
        async with self._nodes.vacant(name) as vacant:
            if not vacant:
                return
            await self._records.hand_back(name, self.floor.clock.now() - timedelta(seconds=ORDER_FRESH_S))
            if not dead:
                return
            calls = await self._records.open_calls(name)
            log.warning("node_dead", node=name, seen_at=seen_at.isoformat(), calls=len(calls))
            journal = self.floor.journal.of_node(name)
            await asyncio.gather(*(settle(call, seen_at, journal) for call in calls))
            await self._nodes.forget(name)

    async def _take(self) -> None:
        if not self.floor.switch.ready:
            return
        for call in await self._records.claim(self.node, CLAIM_AT_MOST, self.floor.clock.now()):
            self.begin(call)
        for call_id, by in await self._records.cut_requests(self.node):
            if by is not Party.AGENT or not self.talking(call_id):  # the customer answered before the request was read
                await self.floor.switch.cut(channel_id(call_id, Role.AGENT), cut(by))

    async def _sweep(self) -> None:
        if self.floor.switch.ready:
            await self.floor.switch.sweep()

    def _start(self, call: Callback, work: Work) -> None:
        task = self._tasks.create_task(_guarded(call, work), name=f"call-{call.id}")
        self._calls[task] = call
        task.add_done_callback(self._calls.pop)


async def _every(pause_s: float, work: Callable[[], Awaitable[None]], news: asyncio.Event | None = None) -> None:
    """Do `work` each `pause_s` seconds, and at once when there is news."""
    news = news or asyncio.Event()
    while True:
        news.clear()
        try:
            await work()
        except (DatabaseUnavailableError, SwitchError) as error:
            log.warning("round_failed", error=type(error).__name__)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await news.wait()


async def _guarded(call: Callback, work: Work) -> None:
    """A defect in one call must not end the others."""
    with structlog.contextvars.bound_contextvars(call_id=call.id):
        try:
            await work()
        except (SwitchError, DatabaseUnavailableError) as error:
            log.warning("call_failed", error=type(error).__name__, detail=str(error))
        except Exception:
            log.exception("call_broken")
