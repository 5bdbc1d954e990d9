"""The desk: takes orders, runs each as one task, and ends them on request."""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from ari_app.domain.account import Account, require_agent, require_caller_ids
from ari_app.domain.callback import Acceptance, Callback, channel_id
from ari_app.domain.ending import Party, cut
from ari_app.domain.leg import Role
from ari_app.domain.numbers import TollPolicy, normalise, parse_destination
from ari_app.errors import (
    CallerIdNotAllowedError,
    OwnCompanyNumberError,
    OwnDeviceNumberError,
    TelephonyUnavailableError,
    TooLateToCancelError,
)
from ari_app.flows.callback import CallbackRules, Floor
from ari_app.flows.runner import Runner
from ari_app.ports import Bus, CallbackRecords, Clock, Directory, Event, Nodes, PastLegs, Placement, SwitchError
from ari_app.shielding import to_the_end

DEAD_S = 60


@dataclass(frozen=True, slots=True)
class OrderRules:
    """What an order is checked against. `channel_limit` is 同時通話数."""

    toll: TollPolicy
    channel_limit: int
    acceptance: Acceptance


class Desk:
    """Where web, API and CLI order callbacks and end them.

    Every process has one; where telephony runs, `running` also carries the orders out.
    """

    def __init__(
        self, records: CallbackRecords, directory: Directory, nodes: Nodes, bus: Bus, clock: Clock, rules: OrderRules
    ) -> None:
        self._records = records
        self._directory = directory
        self._nodes = nodes
        self._bus = bus
        self._clock = clock
        self._rules = rules
        self._runner: Runner | None = None

    async def available(self) -> bool:
        """Whether an order would be carried out now."""
        if self._runner is not None:
            return self._runner.floor.switch.ready
        return await self._nodes.any_ready(self._clock.now())

    async def place(
        self,
        who: Account,
        *,
        caller_id: str,
        customer_number: str,
        idempotency_key: str | None = None,
        offered: Collection[str] = (),
    ) -> Placement:
        """Check an order, write it down, begin it; returns its callback's id.

        `offered` are caller IDs the account was offered before: good for this order as long as the company owns them.
        Raises CallbackUnavailableError, NoCallerIdError, InvalidInputError's family (field `caller_id`,
        `customer_number` or `device_number`), TelephonyUnavailableError, CapacityError, AgentBusyError,
        IdempotencyConflictError, DatabaseUnavailableError. Nothing half-done remains after any of them.
        """
        call = await self.check(who, caller_id=caller_id, customer_number=customer_number, offered=offered)
        if not await self.available():
            raise TelephonyUnavailableError
        if self._runner is not None:
            call.node = self._runner.node
        idempotency = (idempotency_key, _fingerprint(caller_id, customer_number)) if idempotency_key else None
        # To the end: an order that was written down but not begun would hold its channels for nothing.
        return await to_the_end(self._place(call, idempotency))

    async def cancel(self, call: Callback, by: Party) -> None:
        """End a call: its owner (Party.AGENT) until the customer answers, an administrator always.

        Raises TooLateToCancelError. A call that has ended is success.
        """
        # What is written is a moment behind what runs here.
        talking = call.talking_at is not None or (self._runner is not None and self._runner.talking(call.id))
        if by is Party.AGENT and talking and call.ended_at is None:
            raise TooLateToCancelError
        if not await self._cut_here(call, by):
            await self._records.request_cut(call.id, by)

    def look(self) -> None:
        """Another process ordered or asked something: let the node look now, where one runs here."""
        if self._runner is not None:
            self._runner.look()

    async def check(
        self, who: Account, *, caller_id: str, customer_number: str, offered: Collection[str] = ()
    ) -> Callback:
        """The callback an order would begin, nothing done yet. Raises what `place` raises for a wrong order."""
        facts = await self._directory.order_facts(who)
        company = facts.company_numbers
        agent_number = require_agent(who, company)
        candidates = {*facts.caller_ids, *(number for number in offered if number in company)}
        require_caller_ids(candidates)
        shown = normalise(caller_id, "caller_id")
        if shown not in candidates:
            raise CallerIdNotAllowedError(field="caller_id")
        field = "customer_number"
        destination = parse_destination(customer_number, facts.prefixes, self._rules.toll, field)
        if destination.number in company:
            raise OwnCompanyNumberError(field=field, number=destination.number)
        if destination.number == agent_number:
            raise OwnDeviceNumberError(field=field)
        self._rules.toll.check(agent_number, "device_number")
        now = self._clock.now()
        return Callback(
            id=new_call_id(now),
            account_id=who.id,
            login=who.login,
            caller_id=shown,
            agent_number=agent_number,
            customer_number=destination.number,
            customer_caller_id=destination.caller_id or shown,
            withheld=destination.presentation is False,
            acceptance=who.acceptance or self._rules.acceptance,
            created_at=now,
        )

    async def _cut_here(self, call: Callback, by: Party) -> bool:
        if self._runner is None:
            return False
        try:
            return await self._runner.floor.switch.cut(channel_id(call.id, Role.AGENT), cut(by))
        except SwitchError:
            return False  # once it is back, the rounds do it

    async def _place(self, call: Callback, idempotency: tuple[str, str] | None) -> Placement:
        placement = await self._records.place(call, limit=self._rules.channel_limit, idempotency=idempotency)
        if placement.fresh:
            self._bus.publish(Event("call.accepted", replace(call)))
            if self._runner is not None:
                self._runner.begin(call)
        return placement

    @contextlib.asynccontextmanager
    async def running(
        self, floor: Floor, past: PastLegs, rules: CallbackRules, node: str, dead_s: float = DEAD_S
    ) -> AsyncIterator[None]:
        """Carry out orders on this node until the end of the block; conversations going on then are left up.

        The calls of other nodes that were silent for `dead_s` seconds are closed.
        """
        async with asyncio.TaskGroup() as tasks:
            runner = Runner(floor, rules, node, tasks, self._records, self._nodes, dead_s)
            await runner.adopt(past)
            rounds = tasks.create_task(runner.rounds(), name="rounds")
            self._runner = runner
            try:
                yield
            finally:
                self._runner = None
                rounds.cancel()
                runner.stop()


def new_call_id(now: datetime) -> str:
    """32 hexadecimal digits that sort by time (the layout of UUIDv7, RFC 9562, without its version bits)."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
