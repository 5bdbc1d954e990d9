"""Who ended a leg when neither phone did: Asterisk's own limit in our absence, somebody else's hand on the switch."""

import asyncio
from datetime import timedelta

from ari_app.domain.callback import State
from ari_app.ports import PastLeg
from tests.fakes.scene import AGENT, CUSTOMER, Scene

from .test_recovery import PATIENT_S, Past, heard, killed, start

OVERDUE = timedelta(seconds=PATIENT_S + 5)


async def test_the_agents_phone_rang_as_long_as_asterisk_let_it(scene: Scene) -> None:
    """A limit is nobody's but ours, whoever kept it."""
    await killed(scene, State.RINGING_AGENT)
    scene.asterisk.phone(AGENT).declines(480)
    await heard(scene)
    rang_from = scene.call.ringing_agent_at
    assert rang_from is not None
    await start(scene, Past(agent=PastLeg(None, rang_from + OVERDUE, 19)))
    assert scene.outcome() == ("agent_not_answered", "no_answer", "system")
    assert (scene.rows[1].ended_by, scene.rows[1].cause_text) == ("system", "Ring limit reached")


async def test_the_customers_phone_did_too(scene: Scene) -> None:
    """And the agent's leg ended with it."""
    await killed(scene, State.RINGING_CUSTOMER, "rings, answers")
    scene.asterisk.phone(CUSTOMER).declines(480)
    await heard(scene)
    now, kept = scene.floor.clock.now(), scene.records.calls[scene.call.id]
    kept.ringing_customer_at = now - OVERDUE
    await start(scene, Past(agent=PastLeg(now - OVERDUE, None, 0), customer=PastLeg(None, now, 19)))
    assert scene.outcome() == ("agent_answered", "no_answer", "system")
    assert {row.cause_text for row in scene.records.rows} == {"Ring limit reached", "Ended with the other leg"}


async def test_the_customer_was_busy_while_we_were_away(scene: Scene) -> None:
    """The agent's leg, which waited for us, ended with the customer's: the rows agree with the call."""
    await killed(scene, State.RINGING_CUSTOMER, "rings, answers")
    scene.asterisk.phone(CUSTOMER).declines(486)
    await heard(scene)
    at = scene.floor.clock.now()
    await start(scene, Past(agent=PastLeg(at, None, 0), customer=PastLeg(None, at, 17)))
    assert scene.outcome() == ("agent_answered", "busy", "customer")
    assert (scene.rows[1].ended_by, scene.rows[1].cause_text) == ("customer", "Ended with the other leg")


async def test_a_leg_that_waits_to_be_dialled_is_hung_up_on_the_switch(scene: Scene) -> None:
    """`channel request hangup all`, or Asterisk stopping: the customer, who was never called, declined nothing."""
    task = scene.start()
    scene.phones("rings", "")
    await scene.asterisk.until(f"{AGENT} rings")
    waiting = next(channel for id_, channel in scene.asterisk.channels.items() if id_.endswith("-2"))
    waiting.end(21)
    scene.asterisk.phone(AGENT).answers()
    await asyncio.wait([task])
    assert scene.outcome() == ("agent_answered", "interrupted", "system")
    assert [row.leg for row in scene.records.rows] == [1]
