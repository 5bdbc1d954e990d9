"""Several telephony nodes on one database: a silent one's orders are taken over, a dead one's calls are closed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ari_app.bus import LocalBus
from ari_app.domain.account import Account
from ari_app.domain.callback import Acceptance, Callback, State
from ari_app.domain.ending import Disposition, Party, Reason
from ari_app.domain.numbers import TollPolicy
from ari_app.flows import runner
from ari_app.flows.callback import CallbackRules, Floor
from ari_app.flows.desk import Desk, OrderRules
from ari_app.flows.journal import Journal
from db.callbacks import CallbackStore
from db.cdrs import CdrStore
from db.directory import NumberDirectory
from db.engine import Database, open_database
from db.nodes import NodeStore
from db.relay import Relay
from tests.db.calls import a_call, add_accounts
from tests.fakes.office import NoPast, SetClock
from tests.fakes.switch import FakeSwitch

RULES = CallbackRules(60, 60, 60, "PJSIP/{number}@trunk")
DEAD_S = 60


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that look often."""
    monkeypatch.setattr(runner, "BEAT_S", 0.02)
    monkeypatch.setattr(runner, "LOOK_S", 0.02)


@dataclass
class Node:
    """A telephony process."""

    database: Database
    store: CallbackStore
    nodes: NodeStore
    switch: FakeSwitch
    clock: SetClock
    desk: Desk

    async def talks(self, call: Callback) -> None:
        """Both phones answer."""
        for number, state in (
            (call.agent_number, State.RINGING_CUSTOMER),
            (call.customer_number, State.TALKING),
        ):
            (await self.switch.phone(number)).answer()
            await eventually(lambda state=state: self.is_in(call, state))

    async def is_in(self, call: Callback, state: State) -> bool:
        return (await self.store.get(call.id)).state is state


@asynccontextmanager
async def running_node(url: str, name: str, clock: SetClock) -> AsyncIterator[Node]:
    async with open_database(url) as database:
        store, nodes, bus, switch = CallbackStore(database), NodeStore(database), LocalBus(), FakeSwitch(clock)
        desk = Desk(
            store, NumberDirectory(database), nodes, bus, clock, OrderRules(TollPolicy((), 9, 30), 100, Acceptance.NONE)
        )
        async with (
            store.running(),
            Relay(store, bus, desk.look).running(database),
            nodes.held(name, lambda: None),
            desk.running(Floor(switch, Journal(store, bus, name), clock), NoPast(), RULES, name, DEAD_S),
        ):
            yield Node(database, store, nodes, switch, clock, desk)


@pytest.fixture
async def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def living(database_url: str, clock: SetClock) -> AsyncIterator[Node]:
    """A node that goes on."""
    async with running_node(database_url, "living", clock) as node:
        yield node


@pytest.fixture
async def who(database: Database) -> Account:
    (account,) = await add_accounts(database)
    return account


async def eventually(look: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(5):
        while not await look():
            await asyncio.sleep(0.01)


async def dies(node: Node, name: str, call: Callback, *, begun: bool) -> Callback:
    """A node `name` with a call, gone without a word; its last sign of life is now."""
    call.node = name
    await node.store.place(call, limit=100)
    if begun:
        agent, customer = call.plan_legs(RULES.trunk_endpoint)
        call.ring_agent(call.created_at)
        call.agent_answered(call.created_at + timedelta(seconds=2))
        agent.dial(call.created_at)
        agent.answer(call.created_at + timedelta(seconds=2))
        call.ring_customer(call.created_at + timedelta(seconds=2))
        call.talk(call.created_at + timedelta(seconds=4))
        customer.dial(call.created_at + timedelta(seconds=2))
        customer.answer(call.created_at + timedelta(seconds=4))
        agent.bridged_at = customer.bridged_at = call.talking_at
        await node.store.save(call)
    await node.nodes.beat(name, ready=True, now=node.clock.now())
    return call


async def test_a_dead_nodes_call_is_closed(living: Node, who: Account) -> None:
    """By whoever lives, with the times as known; its channels come back, and the node is forgotten."""
    died_at = living.clock.now()
    call = await dies(living, "dead", a_call(who, 1, created_at=died_at - timedelta(minutes=3)), begun=True)
    living.clock.forward(seconds=DEAD_S - 5)
    await asyncio.sleep(0.2)
    assert await living.is_in(call, State.TALKING), "it may come back"
    living.clock.forward(seconds=6)
    await eventually(lambda: living.is_in(call, State.ENDED))
    ended = await living.store.get(call.id)
    assert (ended.reason, ended.ended_by, ended.node) == (Reason.INTERRUPTED, Party.SYSTEM, "dead")
    assert ended.ended_at is not None
    assert timedelta() <= ended.ended_at - died_at < timedelta(seconds=3), "when it was heard last"
    rows = (await CdrStore(living.database).of_calls([call.id]))[call.id]
    assert [(row.leg, row.disposition, row.node) for row in rows] == [
        (1, Disposition.ANSWERED, "dead"),
        (2, Disposition.ANSWERED, "dead"),
    ]
    assert await living.store.reserved_channels() == 0
    await eventually(lambda: known(living, "living"))


async def known(node: Node, *names: str) -> bool:
    """Whether these are the nodes of the installation."""
    return {name for name, _ in await node.nodes.silent(node.clock.now() + timedelta(hours=1))} == set(names)


async def test_what_a_silent_node_had_not_begun_goes_to_another(living: Node, who: Account) -> None:
    """While somebody still waits at the phone."""
    call = await dies(living, "dead", a_call(who, 1, created_at=living.clock.now()), begun=False)
    await living.nodes.beat("dead", ready=True, now=living.clock.now())
    living.clock.forward(seconds=runner.SILENT_S + 1)
    await living.talks(call)
    assert (await living.store.get(call.id)).node == "living"


async def test_a_silent_node_whose_process_lives_keeps_its_calls(living: Node, who: Account, database_url: str) -> None:
    """It may be slow, or its clock wrong: nobody holds it dead while it has its lease."""
    async with open_database(database_url) as database, NodeStore(database).held("slow", lambda: None):
        call = await dies(living, "slow", a_call(who, 1, created_at=living.clock.now()), begun=True)
        living.clock.forward(seconds=DEAD_S * 3)
        await asyncio.sleep(0.3)
        assert await living.is_in(call, State.TALKING)
    await eventually(lambda: living.is_in(call, State.ENDED))


async def test_only_silence_that_was_listened_to_counts(database_url: str, clock: SetClock, who: Account) -> None:
    """A node that starts, or had no database, waits before it judges: the others may be on their way too."""
    async with open_database(database_url) as database:
        store = CallbackStore(database)
        async with store.running():
            call = a_call(who, 1, node="dead", created_at=clock.now())
            await store.place(call, limit=100)
            await NodeStore(database).beat("dead", ready=True, now=clock.now())
    clock.forward(hours=1)
    async with running_node(database_url, "living", clock) as living:
        await asyncio.sleep(0.3)
        assert await living.is_in(call, State.ACCEPTED)
        clock.forward(seconds=DEAD_S + 1)
        await eventually(lambda: living.is_in(call, State.ENDED))


async def test_a_node_held_dead_ends_its_calls_when_it_is_back(living: Node, who: Account) -> None:
    """Its records are closed, and stay so; whoever still talks there is hung up."""
    call = a_call(who, 1, created_at=living.clock.now())
    await living.store.place(call, limit=100)
    await living.talks(call)
    other = CallbackStore(living.database)
    async with other.running():
        settled = await other.get(call.id)
        for leg in settled.legs:
            leg.finish(living.clock.now(), leg.end) if leg.end else None
        settled.finish(living.clock.now(), Reason.INTERRUPTED, Party.SYSTEM)
        await other.close(settled, [])
    await living.nodes.forget("living")
    phone = await living.switch.phone(call.customer_number)
    await eventually(lambda: gone(phone.leg.ended_at))
    assert await living.store.get(call.id) == settled


async def gone(at: object) -> bool:
    return at is not None


async def test_two_nodes_share(database_url: str, living: Node, clock: SetClock, database: Database) -> None:
    """Orders from elsewhere are spread over both, and each is begun once."""
    accounts = await add_accounts(database, 6)
    async with running_node(database_url, "second", clock) as second:
        await eventually(lambda: known(living, "living", "second"))
        for number, who in enumerate(accounts, 10):
            call = a_call(who, number, created_at=clock.now())
            await living.store.place(call, limit=100)
            await eventually(lambda call=call: living.is_in(call, State.RINGING_AGENT))
        nodes = [call.node for call in await second.store.all_open()]
        assert sorted(nodes) == ["living"] * 3 + ["second"] * 3
