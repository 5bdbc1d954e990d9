"""The reception: takes the calls that customers return, one task each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import structlog

from ari_app.domain.account import Account
from ari_app.domain.numbers import received_number
from ari_app.domain.returned_call import ReturnedCall, callable_agents
from ari_app.errors import DatabaseUnavailableError
from ari_app.flows.desk import OrderRules, new_call_id
from ari_app.flows.returned_call import Hall, resume_returned_call, run_returned_call
from ari_app.flows.runner import Work
from ari_app.ports import Arrival, PastLegs, SwitchError
from ari_app.shielding import to_the_end

log = structlog.get_logger(__name__)


class Reception:
    """Where a telephony node takes calls that come in on the trunk."""

    def __init__(self, hall: Hall, rules: OrderRules, node: str) -> None:
        self._hall = hall
        self._rules = rules
        self._node = node
        self._calls: dict[str, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def running(self, past: PastLegs) -> AsyncIterator[None]:
        """Take calls until the end of the block; conversations going on then are left up."""
        async with asyncio.TaskGroup() as tasks:
            for call in await self._hall.records.open_calls(self._node):
                _, customer = call.legs
                self._start(tasks, customer.channel_id, partial(resume_returned_call, call, self._hall, past))
            async with self._hall.switch.arrivals(partial(self._take, tasks)):
                try:
                    yield
                finally:
                    for task in self._calls.values():
                        task.cancel()

    def _take(self, tasks: asyncio.TaskGroup, arrival: Arrival) -> None:
        if arrival.channel_id not in self._calls:
            self._start(tasks, arrival.channel_id, partial(self._receive, arrival))

    def _start(self, tasks: asyncio.TaskGroup, channel_id: str, work: Work) -> None:
        task = tasks.create_task(self._guarded(channel_id, work), name=f"returned-{channel_id}")
        self._calls[channel_id] = task
        task.add_done_callback(lambda _: self._calls.pop(channel_id))

    async def _guarded(self, channel_id: str, work: Work) -> None:
        """A defect in one call must not end the others."""
        try:
            await work()
        except (SwitchError, DatabaseUnavailableError) as error:
            log.warning("returned_call_failed", error=type(error).__name__, detail=str(error))
        except Exception:
            log.exception("returned_call_broken", channel_id=channel_id)

    async def _receive(self, arrival: Arrival) -> None:
        call = ReturnedCall(
            id=new_call_id(arrival.at),
            customer_number=received_number(arrival.caller),
            called_number=received_number(arrival.called),
            created_at=arrival.at,
            node=self._node,
        )
        call.came_in(arrival.channel_id, arrival.channel_name)
        try:
            # To the end: a call that was written down but not begun would hold its channels for nothing.
            await to_the_end(self._begin(call))
        except DatabaseUnavailableError:
            log.warning("returned_call_released", channel_id=arrival.channel_id)
            await self._hall.switch.release(arrival.channel_id)
        else:
            with structlog.contextvars.bound_contextvars(call_id=call.id):
                await run_returned_call(call, self._hall)

    async def _begin(self, call: ReturnedCall) -> None:
        records, rules = self._hall.records, self._rules
        candidates = await records.candidates(call.called_number, call.customer_number)
        allowed = callable_agents(candidates, call.customer_number, rules.toll)
        await records.begin(call, allowed, partial(self._assign, call), limit=rules.channel_limit)

    def _assign(self, call: ReturnedCall, agent: Account) -> None:
        call.assign(agent, self._rules.acceptance, self._hall.rules.trunk_endpoint)
