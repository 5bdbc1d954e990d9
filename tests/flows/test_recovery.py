"""The next start: what is up goes on, what ended meanwhile is written down from Asterisk's own records."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ari_app.ari.client import AriError
from ari_app.domain.callback import State
from ari_app.flows.callback import CallbackRules
from ari_app.flows.recovery import resume
from ari_app.ports import PastLeg
from tests.fakes.scene import AGENT, CUSTOMER, PATIENT_S, Scene, eventually

RULES = CallbackRules(PATIENT_S, PATIENT_S, PATIENT_S, "PJSIP/{number}@trunk")


class Past:
    """Implements `ports.PastLegs`: what Asterisk's own records know."""

    def __init__(self, **facts: PastLeg) -> None:
        self.facts = facts

    async def look_up(self, channel_ids: Collection[str], since: datetime) -> dict[str, PastLeg]:
        """Facts by the leg's role."""
        roles = {"agent": "-1", "customer": "-2"}
        return {id_: fact for id_ in channel_ids for role, fact in self.facts.items() if id_.endswith(roles[role])}


async def killed(scene: Scene, state: State, agent: str = "rings", customer: str = "rings") -> None:
    """The switch and the records as an application that was killed in this state leaves them."""
    client, call, now = scene.client, scene.call, scene.floor.clock.now()
    scene.phones(agent, customer)
    one, two = call.plan_legs(RULES.trunk_endpoint)
    await client.bridges.create(call.id)
    for leg in one, two:
        shown = {"CONNECTEDLINE(num,i)": leg.caller_id}
        leg.channel_name = (await client.channels.create(leg.channel_id, leg.endpoint, client.app, shown))["name"]
    await client.bridges.add_channel(call.id, two.channel_id)
    if state is not State.ACCEPTED:
        call.ring_agent(now)
        await client.channels.dial(one.channel_id, 30)
    if state in (State.RINGING_CUSTOMER, State.TALKING):
        call.agent_answered(now)
        call.ring_customer(now)
        await client.channels.dial(two.channel_id, 60)
        await client.bridges.add_channel(call.id, one.channel_id)
    if state is State.TALKING:
        call.talk(now)
    scene.records.keep(call)


def start(scene: Scene, past: Past | None = None) -> asyncio.Task[None]:
    """The next start takes the call over as it was written down."""
    kept = scene.records.calls[scene.call.id]
    scene.call = replace(kept, legs=[replace(leg) for leg in kept.legs])
    task = asyncio.create_task(resume(scene.call, scene.floor, past or Past(), RULES))
    scene.tasks = [task]
    return task


async def heard(scene: Scene) -> None:
    """Return once our side has read everything that was sent so far."""
    with suppress(AriError):
        await scene.client.channels.get("nobody")


async def left_up(scene: Scene) -> None:
    """A conversation that our shutdown left up."""
    task = scene.start()
    scene.phones("rings, answers", "rings, answers")
    await scene.asterisk.until("talking")
    task.cancel()
    await asyncio.wait([task])
    await scene.records.drained()
    assert len(scene.asterisk.channels) == 2


@pytest.mark.parametrize(("leaver", "by"), [(AGENT, "agent"), (CUSTOMER, "customer")])
async def test_a_conversation_goes_on(scene: Scene, leaver: str, by: str) -> None:
    """Adopted as it stands, and closed at its own end, by whoever ended it; times reach over the restart."""
    await left_up(scene)
    began = scene.call.talking_at
    task = start(scene)
    await eventually(lambda: len(scene.client.bus.listeners()) == 2)
    await scene.client.asterisk.get_info()
    scene.asterisk.phone(leaver).hangs_up()
    await task
    assert scene.outcome() == ("agent_answered", "completed", by)
    assert [row.bridged_at for row in scene.records.rows] == [began, began]
    assert [row.disposition.value for row in scene.records.rows] == ["ANSWERED", "ANSWERED"]
    assert not [line for line in scene.asked[scene.asked.index(f"look at {AGENT}") :] if line.startswith("dial")]


async def test_stopped_again(scene: Scene) -> None:
    """However often: the conversation stays up."""
    await left_up(scene)
    for _ in range(2):
        task = start(scene)
        await eventually(lambda: len(scene.client.bus.listeners()) == 2)
        await heard(scene)
        await heard(scene)
        task.cancel()
        await asyncio.wait([task])
        assert len(scene.asterisk.channels) == 2
        assert len(scene.asterisk.bridges[scene.call.id]) == 2
    scene.leaves_up = True


@pytest.mark.parametrize("gone", [[AGENT], [CUSTOMER], [AGENT, CUSTOMER]])
async def test_ended_meanwhile_and_nobody_knows(scene: Scene, gone: list[str]) -> None:
    """Without Asterisk's records the rows say that nobody saw it; whoever stayed is not left alone on the line."""
    await left_up(scene)
    for number in gone:
        scene.asterisk.phone(number).hangs_up()
    await heard(scene)
    await start(scene)
    assert scene.outcome()[2] == "system"
    texts = {row.dst: row.cause_text for row in scene.records.rows}
    assert all(texts[number] == "Ended unseen" for number in gone)
    assert len(scene.records.rows) == 2


@pytest.mark.parametrize(("first", "by"), [("agent", "agent"), ("customer", "customer")])
async def test_ended_meanwhile_by_asterisks_records(scene: Scene, first: str, by: str) -> None:
    """Who left first, when and why, to the millisecond."""
    await left_up(scene)
    for number in AGENT, CUSTOMER:
        scene.asterisk.phone(number).hangs_up()
    await heard(scene)
    answered = scene.call.talking_at
    assert answered is not None
    early, late = answered + timedelta(seconds=61), answered + timedelta(seconds=61.25)
    times = {"agent": late, "customer": late} | {first: early}
    await start(scene, Past(**{role: PastLeg(answered, at, 16) for role, at in times.items()}))
    assert scene.outcome() == ("agent_answered", "completed", by)
    assert {row.leg: row.end for row in scene.records.rows} == {1: times["agent"], 2: times["customer"]}
    assert scene.call.ended_at == late
    for row in scene.records.rows:
        assert row.answer is not None
        assert row.billsec == int((row.end - row.answer).total_seconds())


async def test_the_agent_left_and_the_customer_waits(scene: Scene) -> None:
    """kill -9: whose peer left meanwhile stays alone on the line, until the next start frees them."""
    await left_up(scene)
    scene.asterisk.phone(AGENT).hangs_up()
    await heard(scene)
    at = scene.floor.clock.now()
    await start(scene, Past(agent=PastLeg(at, at, 16)))
    assert scene.outcome() == ("agent_answered", "completed", "agent")
    assert f"hang up {CUSTOMER}" in scene.asked
    assert (scene.rows[2].ended_by, scene.rows[2].cause_text) == ("agent", "Ended with the other leg")


@pytest.mark.parametrize(
    ("state", "agent", "customer", "rows"),
    [
        (State.ACCEPTED, "", "", []),
        (State.RINGING_AGENT, "rings", "", [(1, "FAILED")]),
        (State.RINGING_AGENT, "rings, answers", "", [(1, "ANSWERED")]),
        (State.RINGING_CUSTOMER, "rings, answers", "rings", [(1, "ANSWERED"), (2, "FAILED")]),
    ],
)
async def test_what_was_no_conversation_is_ended(
    scene: Scene, state: State, agent: str, customer: str, rows: list[tuple[int, str]]
) -> None:
    """Nobody waits at a phone for an application that was away: interrupted, hung up, written down."""
    await killed(scene, state, agent, customer)
    await start(scene)
    assert (scene.call.reason, scene.call.ended_by) == ("interrupted", "system")
    assert [(row.leg, row.disposition.value) for row in scene.records.rows] == rows


async def test_an_order_that_was_never_begun(scene: Scene) -> None:
    """Placed, and killed before anything was asked of the switch."""
    await start(scene)
    assert scene.outcome() == ("agent_not_answered", "interrupted", "system")
    assert scene.records.rows == []


async def test_the_customer_answered_meanwhile(scene: Scene) -> None:
    """Both were joined before the customer answered: they have been talking, and go on (seen on 22.10.1)."""
    await killed(scene, State.RINGING_CUSTOMER, "rings, answers", "rings, answers")
    task = start(scene)
    await scene.asterisk.until("talking")
    assert len(scene.asterisk.bridges[scene.call.id]) == 2
    scene.asterisk.phone(CUSTOMER).hangs_up()
    await task
    assert scene.outcome() == ("agent_answered", "completed", "customer")
    assert scene.rows[2].bridged_at is not None
    told = [event.callback.state for event in scene.watcher.events]
    assert told == [State.TALKING, State.ENDED]


@pytest.mark.parametrize(("cause", "reason"), [(17, "busy"), (21, "declined"), (1, "wrong_number"), (19, "no_answer")])
async def test_the_agents_phone_ended_by_itself_meanwhile(scene: Scene, cause: int, reason: str) -> None:
    """What Asterisk recorded beats that we were away."""
    await killed(scene, State.RINGING_AGENT)
    scene.asterisk.phone(AGENT).declines(486)
    await heard(scene)
    at = scene.floor.clock.now()
    await start(scene, Past(agent=PastLeg(None, at, cause)))
    assert scene.outcome() == ("agent_not_answered", reason, "agent")
    assert [row.leg for row in scene.records.rows] == [1]
    assert scene.rows[1].cause == cause


async def test_the_switch_comes_later_than_we(scene: Scene) -> None:
    """Nothing is decided about a conversation before the switch is heard."""
    await left_up(scene)
    scene.asterisk.closed_to_all = True
    scene.asterisk.cut_socket()
    await scene.asterisk.until("disconnected")
    task = start(scene)
    scene.asterisk.closed_to_all = False
    await scene.asterisk.until(f"look at {CUSTOMER}")
    await heard(scene)
    assert not task.done()
    assert len(scene.asterisk.channels) == 2
    scene.asterisk.phone(AGENT).hangs_up()
    await task
    assert scene.call.reason == "completed"


@pytest.mark.parametrize("moment", [f"look at {AGENT}", f"look at {CUSTOMER}"])
async def test_the_socket_is_lost_while_we_look(scene: Scene, moment: str) -> None:
    """The call is not given up for it: the next connection looks again."""
    await left_up(scene)
    scene.upon(moment, scene.asterisk.cut_socket)
    task = start(scene)
    await scene.asterisk.until("connection 2")
    await scene.client.wait_connected()
    await eventually(lambda: len(scene.client.bus.listeners()) == 2 or task.done())
    await scene.client.channels.list()
    assert not task.done()
    scene.asterisk.phone(CUSTOMER).hangs_up()
    await task
    assert scene.call.reason == "completed"
    assert scene.call.ended_by == "customer"


async def test_a_switch_that_refuses_to_look(scene: Scene) -> None:
    """A channel that cannot be looked at counts as gone: the call does not stay open for ever."""
    await left_up(scene)
    scene.asterisk.refuse(f"look at {AGENT}", 500)
    await asyncio.gather(start(scene), return_exceptions=True)
    assert scene.call.ended_at is not None
    await scene.switch.sweep()
    await scene.switch.sweep()
