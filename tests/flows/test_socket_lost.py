"""The events' socket is lost at each step and comes back: what was missed is looked up, and nothing is left."""

import asyncio
from typing import Any

import pytest

from ari_app.domain.callback import Acceptance
from tests.fakes.scene import AGENT, CUSTOMER, Scene, eventually, new_call, open_scene
from tests.flows.test_callback_cuts import ALL, TALKING, TALKS, ids


def lose_socket(scene: Scene) -> None:
    """Gone, and closed to us until `back`."""
    scene.asterisk.closed_to_all = True
    scene.asterisk.cut_socket()


async def back(scene: Scene) -> None:
    """The switch lets us in again."""
    await scene.asterisk.until("disconnected")
    scene.asterisk.closed_to_all = False
    await scene.asterisk.until("connection 2")
    await scene.client.wait_connected()


@pytest.mark.parametrize(("moment", "agent", "customer", "acceptance"), ALL, ids=ids)
async def test_lost_at_each_step(moment: str, agent: str, customer: str, acceptance: Acceptance) -> None:
    """The call goes on or fails; either way it ends, with a row for each leg that the switch dialled."""
    async with open_scene(new_call(acceptance)) as scene:
        scene.upon(moment, scene.asterisk.cut_socket)
        scene.unanswered = True
        task = scene.start(ring_agent_s=0.05, ring_customer_s=0.05, accept_s=0.05)
        scene.phones(agent, customer)
        await asyncio.gather(task, return_exceptions=True)
        assert scene.call.reason in {"failed", "no_answer", "no_digit"}


@pytest.mark.parametrize(("moment", "agent", "customer"), TALKING, ids=ids)
async def test_a_conversation_outlives_the_socket(scene: Scene, moment: str, agent: str, customer: str) -> None:
    """Two people talk; that we were away for a moment is nothing to them, nor to their record."""
    scene.upon(moment, scene.asterisk.cut_socket)
    task = scene.start()
    scene.phones(agent, customer)
    await back(scene)
    await scene.asterisk.until("talking")
    scene.asterisk.phone(CUSTOMER).hangs_up()
    await task
    assert scene.outcome() == ("agent_answered", "completed", "customer")
    assert {row.disposition.value for row in scene.records.rows} == {"ANSWERED"}


@pytest.mark.parametrize("gone", [[AGENT], [CUSTOMER], [AGENT, CUSTOMER]])
async def test_a_conversation_ended_meanwhile(scene: Scene, gone: list[str]) -> None:
    """Nobody saw who left: the rows say so instead of guessing, and the one who stayed is not left alone."""
    task = scene.start()
    scene.phones(TALKS, TALKS)
    await scene.asterisk.until("talking")
    lose_socket(scene)
    for number in gone:
        scene.asterisk.phone(number).hangs_up()
    await back(scene)
    await task
    assert scene.outcome() == ("agent_answered", "interrupted", "system")
    texts = {row.dst: row.cause_text for row in scene.records.rows}
    assert all(texts[number] == "Ended unseen" for number in gone)


@pytest.mark.parametrize("moment", [f"dial {AGENT}", f"{AGENT} rings"])
async def test_the_agent_answered_meanwhile(scene: Scene, moment: str) -> None:
    """The agent stands at the phone: the call goes on where it would have been.

    The answer to the dial request is lost with the socket: whether it was carried out, the next connection tells.
    """
    scene.upon(moment, lambda: lose_socket(scene))
    task = scene.start()
    scene.phones("rings, answers", "rings, declines 486")
    await back(scene)
    await task
    assert scene.outcome() == ("agent_answered", "busy", "customer")
    assert scene.rows[1].disposition == "ANSWERED"


async def test_the_customer_answered_meanwhile(scene: Scene) -> None:
    task = scene.start()
    scene.phones(TALKS, "rings")
    await scene.asterisk.until(f"join {AGENT}")
    await scene.client.asterisk.get_info()
    lose_socket(scene)
    scene.asterisk.phone(CUSTOMER).answers()
    await back(scene)
    await scene.asterisk.until("talking")
    scene.asterisk.phone(AGENT).hangs_up()
    await task
    assert scene.outcome() == ("agent_answered", "completed", "agent")


async def test_a_leg_that_ended_unseen_while_ringing(scene: Scene) -> None:
    task = scene.start()
    scene.phones(TALKS, "rings")
    await scene.asterisk.until(f"join {AGENT}")
    await scene.client.asterisk.get_info()
    lose_socket(scene)
    scene.asterisk.phone(CUSTOMER).declines(486)
    await back(scene)
    await task
    assert scene.outcome() == ("agent_answered", "interrupted", "system")
    assert [(row.disposition.value, row.cause_text) for row in scene.records.rows][1] == ("FAILED", "Ended unseen")


async def test_a_hangup_waits_for_the_socket(scene: Scene) -> None:
    """What is to be hung up while we are out of hearing is hung up once we are back, not left ringing."""
    task = scene.start(ring_agent_s=0.03)
    scene.phones("rings", "")
    await scene.asterisk.until(f"{AGENT} rings")
    lose_socket(scene)
    (line,) = (line for line in scene.switch._bus.listeners() if line.leg.number == AGENT)
    await eventually(lambda: line._stated is not None)
    await back(scene)
    await task
    assert scene.outcome() == ("agent_not_answered", "no_answer", "system")
    assert f"hang up {AGENT}" in scene.asked


async def test_a_channel_created_while_the_list_is_on_its_way_is_not_lost(scene: Scene) -> None:
    """After a reconnect the channels are listed; what is not in that list may simply be younger."""
    await scene.play(agent="declines 486")
    other = new_call()
    other.id = "1" * 32
    scene.call, first = other, scene.call
    scene.records.keep(other)
    scene.records.rows.clear()
    scene.watcher.events.clear()
    with scene.client.bus.subscribed("bystander-1", Bystander()):  # somebody to look up
        lose_socket(scene)
        await scene.asterisk.until("disconnected")
        scene.asterisk.listings.clear()
        scene.asterisk.closed_to_all = False
        await scene.asterisk.until("GET channels")
        task = scene.start()
        await scene.asterisk.until("ringing_agent")
        scene.asterisk.listings.set()
        await scene.client.wait_connected()
    scene.phones("rings, answers, until talking, hangs up", TALKS)
    await task
    assert other.reason == "completed"
    scene.records.rows.clear()
    scene.watcher.events.clear()
    scene.call = first
    first.ended_at = None


class Bystander:
    """A line that is asked after a reconnect too."""

    class leg:  # noqa: N801
        channel_id, channel_name, started_at = "bystander-1", "PJSIP/trunk-ffffffff", None

    def resync(self, state: Any, past: Any) -> None:
        assert state is None

    def take(self, event: Any) -> None:
        raise AssertionError(event)


async def test_a_hangup_on_a_dying_connection_does_not_stop_the_loop(scene: Scene) -> None:
    """A request on a transport that is closing fails at once, without waiting: trying again must wait."""
    task = scene.start()
    scene.phones(TALKS, TALKS)
    await scene.asterisk.until("talking")
    socket = scene.client._socket
    assert socket is not None
    scene.hear(f"{scene.call.id}-2", "ChannelDestroyed", "customer gone")
    scene.upon("customer gone", lambda: socket._response.connection.transport.abort())
    scene.asterisk.phone(CUSTOMER).hangs_up()
    async with asyncio.timeout(2):
        await task
    assert scene.outcome() == ("agent_answered", "completed", "customer")


async def test_another_process_takes_the_application(scene: Scene) -> None:
    """Two processes with one name would steal each other's events: the older one stops taking calls and says so."""
    scene.asterisk.replace_application()
    async with asyncio.timeout(1):
        await scene.asterisk.until("disconnected")
    assert not scene.switch.ready
    assert scene.client.fenced
    assert scene.asterisk.connections == 1, "it does not fight for the name"
