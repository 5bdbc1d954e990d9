"""A company with agents on running services: places callbacks and waits for what becomes of them."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ari_app.ari.switch import AriSwitch
from ari_app.asterisk.carrier import Carrier, CarrierCall
from ari_app.config import Settings
from ari_app.domain.account import Account, Device, Role
from ari_app.domain.callback import Acceptance, Callback, State
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import Party
from ari_app.main import open_services
from ari_app.ports import Event
from web.services import Services

from .waiting import eventually

SHOWN = "0312345678"  # the caller ID chosen on the screen
PREFIX, PREFIX_SHOWN = "9", "0398765432"
AGENTS = 100

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Ended:
    """A callback that is over, with its rows: None for a leg that was never dialled."""

    callback: Callback
    agent: CdrRow | None
    customer: CdrRow | None


class Office:
    """Use `open_office`."""

    def __init__(self, services: Services, carrier: Carrier | None, agents: list[Account]) -> None:
        self.services = services
        self.carrier = carrier
        self._free = agents
        self._told: dict[str, list[Event]] = {}
        self._news = asyncio.Condition()

    async def agent(self, ending: str, acceptance: Acceptance = Acceptance.NONE) -> Account:
        """An agent whose phone behaves as numbers ending so."""
        who = self._free.pop()
        phone = agent_number(ending)
        return await self.services.accounts.set(who.login, {"device_number": phone, "acceptance": acceptance})

    async def place(
        self,
        agent: str,
        customer: str,
        acceptance: Acceptance = Acceptance.NONE,
        *,
        typed_before: str = "",
    ) -> Callback:
        """Order a callback between two new phones; `agent` and `customer` are the endings of their numbers."""
        return await self.order(await self.agent(agent, acceptance), typed_before + customer_number(customer))

    async def order(self, who: Account, typed: str) -> Callback:
        """Order a callback of an agent to what is typed."""
        services = self.services
        placement = await services.desk.place(who, caller_id=SHOWN, customer_number=typed)
        assert placement.fresh
        return await services.callbacks.get(placement.callback_id)

    async def reached(self, call: Callback, state: State, limit_s: float = 15) -> Callback:
        """The callback as it was told when it reached `state`."""
        name = f"call.{state}"

        def found() -> Callback | None:
            told = (event.callback for event in self._told.get(call.id, []) if event.name == name)
            return next(told, None)

        async with self._news, asyncio.timeout(limit_s):
            await self._news.wait_for(found)
        seen = found()
        assert seen is not None
        return seen

    async def ended(self, call: Callback, limit_s: float = 30) -> Ended:
        """The callback as it is written down once its end was told."""
        await self.reached(call, State.ENDED, limit_s)
        return await self.written(call)

    async def written(self, call: Callback) -> Ended:
        """The callback as it is written down now."""
        services = self.services
        rows = {row.leg: row for row in (await services.cdrs.of_calls([call.id])).get(call.id, [])}
        return Ended(await services.callbacks.get(call.id), rows.get(1), rows.get(2))

    async def cancel(self, call: Callback, by: Party) -> None:
        """End a call on request."""
        await self.services.desk.cancel(await self.services.callbacks.get(call.id), by)

    async def called(self, number: str) -> None:
        """Wait until a call to `number` has reached the carrier."""
        await eventually(lambda: self.carrier.calls(number))

    async def phone(self, number: str) -> CarrierCall:
        """The carrier's record of the one call to `number`, once it is over."""

        def over() -> CarrierCall | None:
            return next((call for call in self.carrier.calls(number) if call.ended_at), None)

        return await eventually(over)

    async def at_rest(self) -> bool:
        """Whether nothing is left on the switch, and nobody listens."""
        switch = self.services.switch
        assert isinstance(switch, AriSwitch)
        client = switch._client
        return not (await client.channels.list() or await client.bridges.list() or client.bus.listeners())

    async def watch(self) -> None:
        """Take in what the bus tells."""
        async with self.services.bus.subscribe() as events:
            async for event in events:
                async with self._news:
                    self._told.setdefault(event.callback.id, []).append(event)
                    self._news.notify_all()


@asynccontextmanager
async def open_office(
    settings: Settings, carrier: Carrier | None = None, *, telephony: bool = True, node: str = "main"
) -> AsyncIterator[Office]:
    """Services in this process, and a company in their database."""
    async with open_services(settings, telephony=telephony, node=node) as services, asyncio.TaskGroup() as tasks:
        office = Office(services, carrier, await _found(services))
        watching = tasks.create_task(office.watch())
        if telephony:
            await eventually(services.desk.available)
        yield office
        watching.cancel()


def agent_number(ending: str) -> str:
    """A mobile number nobody had before."""
    return f"090{next(_numbers):06d}{ending}"


def customer_number(ending: str) -> str:
    """A landline number nobody had before."""
    return f"03{next(_numbers):06d}{ending}"


async def _found(services: Services) -> list[Account]:
    """Numbers, a prefix, a call center and its agents; the first account is the topmost administrator."""
    now = services.clock.now()
    person = {"agent": False, "device": Device.EXTENSION, "role": Role.ADMIN}
    await services.accounts.add({"login": "admin", "name": "管理者"} | person, now)
    person = {"agent": True, "device": Device.EXTERNAL, "role": Role.USER}
    agents = [
        await services.accounts.add({"login": f"agent{index}", "name": f"担当 {index}"} | person, now)
        for index in range(AGENTS)
    ]
    for number in (SHOWN, PREFIX_SHOWN):
        await services.numbers.add(number, number, now)
    await services.numbers.add_prefix(PREFIX, PREFIX_SHOWN)
    await services.numbers.add_call_center("窓口", [SHOWN], [agent.login for agent in agents], now)
    return agents
