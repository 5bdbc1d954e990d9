"""A call that is ended from outside: cancelled, cut, refused by the switch, or left by an application that stops."""

import asyncio

import pytest

from ari_app.domain.callback import Acceptance
from ari_app.domain.ending import Party
from ari_app.ports import SwitchError
from tests.fakes.scene import AGENT, CUSTOMER, Scene, new_call, open_scene

RINGS = "rings"
TALKS = "rings, answers"
WAITS = "rings, answers"  # with an acceptance key: answered, nothing pressed yet

# (moment, agent, customer): at each line of the story the call stands at another step.
STEPS = [
    ("bridge", RINGS, ""),
    (f"create {AGENT} shows 0312345678", RINGS, ""),
    (f"create {CUSTOMER} shows 0312345678", RINGS, ""),
    (f"join {CUSTOMER}", RINGS, ""),
    ("ringing_agent noted", RINGS, ""),
    ("ringing_agent", RINGS, ""),
    (f"dial {AGENT}", RINGS, ""),
    (f"{AGENT} rings", RINGS, ""),
    (f"{AGENT} answers", TALKS, RINGS),
    ("agent_answered", TALKS, RINGS),
    ("ringing_customer saving", TALKS, RINGS),
    ("ringing_customer saved", TALKS, RINGS),
    (f"dial {CUSTOMER}", TALKS, RINGS),
    (f"join {AGENT}", TALKS, RINGS),
    (f"{CUSTOMER} rings", TALKS, RINGS),
]
TALKING = [
    (f"{CUSTOMER} answers", TALKS, TALKS),
    ("talking noted", TALKS, TALKS),
    ("talking", TALKS, TALKS),
]
KEY_STEPS = [
    ("agent_answered noted", WAITS, ""),
    (f"play press-1 to {AGENT}", WAITS, ""),
    (f"stop {new_call().id}-1-press-1", "rings, answers, hears press-1, presses 1", RINGS),
]
ALL = [(*step, Acceptance.NONE) for step in STEPS] + [(*step, Acceptance.PRESS1) for step in KEY_STEPS]


def ids(step: object) -> str | None:
    return step if isinstance(step, str) and " " in step else None


# Agents may cancel their own call until the customer answers; and
# 「エージェントの電話番号の誤設定を確認した際は、システム管理者ロールのアカウントで通話切断を行えます。」
@pytest.mark.parametrize("by", [Party.AGENT, Party.ADMIN])
@pytest.mark.parametrize(("moment", "agent", "customer", "acceptance"), ALL, ids=ids)
async def test_cancelled_at_each_step(
    moment: str, agent: str, customer: str, acceptance: Acceptance, by: Party
) -> None:
    """Whenever a cancel comes, the call ends by it, or the one who asked is told to leave word with the records."""
    async with open_scene(new_call(acceptance)) as scene:
        taken: list[bool] = []

        async def cancel() -> None:
            taken.append(await scene.cut_now(by))
            while not taken[-1] and not call.done():  # as the desk does, round after round
                await scene.client.asterisk.get_info()
                taken.append(await scene.cut_now(by))

        scene.upon(moment, lambda: scene.tasks.append(asyncio.create_task(cancel())))
        call = scene.start()
        scene.phones(agent, customer)
        async with asyncio.timeout(5):
            await call
        assert scene.call.reason == "cancelled"
        assert scene.call.ended_by == by
        for row in scene.records.rows:
            assert row.ended_by == by
            assert row.disposition == ("ANSWERED" if row.answer else "CANCEL")


@pytest.mark.parametrize(("moment", "agent", "customer"), TALKING, ids=ids)
async def test_an_administrator_cuts_a_conversation(scene: Scene, moment: str, agent: str, customer: str) -> None:
    """Both legs end, both rows say who it was."""
    scene.upon(moment, lambda: scene.cut(Party.ADMIN))
    await scene.play(agent=agent, customer=customer)
    assert scene.call.ended_by == "admin"
    assert [(row.disposition.value, row.ended_by.value) for row in scene.records.rows] == [("ANSWERED", "admin")] * 2
    assert scene.rows[1].cause_text == "Cut by an administrator"


@pytest.mark.parametrize(("moment", "agent", "customer", "acceptance"), ALL, ids=ids)
async def test_our_shutdown_at_each_step(moment: str, agent: str, customer: str, acceptance: Acceptance) -> None:
    """What is not yet a conversation is interrupted, hung up and written down."""
    async with open_scene(new_call(acceptance)) as scene:
        scene.upon(moment, scene.shut_down)
        with pytest.raises(asyncio.CancelledError):
            await scene.play(agent=agent, customer=customer)
        assert scene.call.reason == "interrupted"
        assert scene.call.ended_by == "system"
        assert all(row.ended_by == "system" for row in scene.records.rows)


@pytest.mark.parametrize(("moment", "agent", "customer"), TALKING[1:], ids=ids)
async def test_our_shutdown_leaves_a_conversation_up(scene: Scene, moment: str, agent: str, customer: str) -> None:
    """No conversation drops; its callback stays open for the next start."""
    scene.upon(moment, scene.shut_down)
    with pytest.raises(asyncio.CancelledError):
        await scene.play(agent=agent, customer=customer)
    scene.leaves_up = True
    await scene.records.drained()
    assert len(scene.asterisk.bridges[scene.call.id]) == 2
    assert scene.records.calls[scene.call.id].state == "talking", "the next start must find it as a conversation"


async def test_shutdown_and_hangup_at_once_end_the_call(scene: Scene) -> None:
    """A conversation that one side has left is none to leave up."""
    phone = scene.asterisk.phone(CUSTOMER)
    scene.upon("talking", lambda: (phone.hangs_up(), scene.asterisk.upon("customer gone", scene.shut_down)))
    scene.hear(f"{scene.call.id}-2", "ChannelDestroyed", "customer gone")
    with pytest.raises(asyncio.CancelledError):
        await scene.play(agent=TALKS, customer=TALKS)
    assert scene.rows[2].ended_by == "customer"
    assert scene.rows[1].ended_by == "customer"


REFUSALS = [
    ("bridge", 500, 0),
    (f"create {AGENT} shows 0312345678", 500, 0),
    (f"create {AGENT} shows 0312345678", 409, 0),
    (f"create {CUSTOMER} shows 0312345678", 500, 0),
    (f"join {CUSTOMER}", 422, 0),
    (f"dial {AGENT}", 409, 0),
    (f"dial {AGENT}", 404, 0),
    (f"dial {CUSTOMER}", 409, 1),
    (f"join {AGENT}", 422, 1),
    (f"join {AGENT}", 400, 1),
]


@pytest.mark.parametrize(("request_", "status", "rows"), REFUSALS)
async def test_the_switch_refuses(scene: Scene, request_: str, status: int, rows: int) -> None:
    """Whatever Asterisk refuses, the call fails, says so, and leaves nothing."""
    scene.asterisk.refuse(request_, status, "Allocation failed")
    task = scene.start()
    scene.phones("rings, answers", "rings")
    async with asyncio.timeout(5):
        (problem,) = await asyncio.gather(task, return_exceptions=True)
    assert problem is None or isinstance(problem, SwitchError)
    assert (scene.call.reason, scene.call.ended_by) == ("failed", "system")
    reached = [row for row in scene.records.rows if row.leg == 1]
    assert len(reached) == rows
    assert all(row.ended_by == "system" for row in scene.records.rows)


async def test_the_switch_refuses_to_play(guarded: Scene) -> None:
    guarded.asterisk.refuse(f"play press-1 to {AGENT}", 500)
    task = guarded.start()
    guarded.phones("rings, answers", "")
    (problem,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(problem, SwitchError)
    assert guarded.outcome() == ("agent_not_answered", "failed", "system")


@pytest.mark.parametrize("number", [AGENT, CUSTOMER])
async def test_a_channel_that_never_comes_under_control(scene: Scene, number: str) -> None:
    """Asterisk creates the channel and no StasisStart follows: given up after a while, and swept by its id."""
    scene.asterisk.phone(number).never_starts = True
    task = scene.start()
    (problem,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(problem, SwitchError)
    assert scene.call.reason == "failed"
    assert scene.records.rows == []


@pytest.mark.parametrize("status", [404, 500])
@pytest.mark.parametrize("request_", [f"hang up {AGENT}", f"hang up {CUSTOMER}"])
async def test_a_refused_hangup(scene: Scene, request_: str, status: int) -> None:
    """Nobody waits for ever for the end of a channel; what is left of it is swept."""
    scene.asterisk.refuse(request_, status)
    await scene.play(agent=TALKS, customer="rings", ring_customer_s=0.03)
    assert scene.call.reason == "no_answer"
    assert {row.leg: row.disposition.value for row in scene.records.rows} == {1: "ANSWERED", 2: "NO ANSWER"}
    await scene.switch.sweep()
    await scene.switch.sweep()
    assert scene.asterisk.channels == {}


async def test_a_refused_unbridge_is_swept(scene: Scene) -> None:
    """A bridge that could not be removed does not stay for ever."""
    scene.asterisk.refuse("unbridge", 500)
    await scene.play(agent="declines 486")
    await scene.switch.sweep()
    await scene.switch.sweep()
    assert scene.asterisk.bridges == {}


async def test_agent_leaves_while_the_database_is_slow(scene: Scene) -> None:
    """Nothing is dialled that was not written down; whoever leaves meanwhile is not called for."""
    scene.upon("ringing_customer saving", scene.records.open.clear)
    task = scene.start()
    scene.phones("rings, answers, until ringing_customer saving, hangs up", "rings")
    await scene.asterisk.until("closing")
    scene.records.open.set()
    await task
    assert scene.outcome() == ("agent_answered", "cancelled", "agent")
    assert [row.leg for row in scene.records.rows] == [1]
    assert f"dial {CUSTOMER}" not in scene.asked


async def test_a_slow_database_does_not_end_a_conversation(scene: Scene) -> None:
    """PostgreSQL may restart while two people talk."""
    scene.upon("talking", scene.records.open.clear)
    task = scene.start()
    scene.phones(TALKS, TALKS)
    await scene.asterisk.until("talking")
    assert scene.asked[-1] == f"join {AGENT}"
    scene.asterisk.phone(AGENT).hangs_up()
    await scene.asterisk.until("closing")
    assert scene.asterisk.channels == {}, "hung up at once, whatever the database does"
    assert not task.done()
    scene.records.open.set()
    await task
    assert scene.outcome() == ("agent_answered", "completed", "agent")
    assert len(scene.records.rows) == 2


async def test_a_database_that_is_away_before_dialling(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would wait at a phone does not wait for the database."""
    monkeypatch.setattr("ari_app.flows.journal.WRITTEN_WITHIN_S", 0.02)
    scene.upon("ringing_customer saving", scene.records.open.clear)
    scene.upon("closing", scene.records.open.set)
    task = scene.start()
    scene.phones(TALKS, RINGS)
    await asyncio.gather(task, return_exceptions=True)
    assert scene.call.reason == "failed"
    assert [(row.leg, row.ended_by.value) for row in scene.records.rows] == [(1, "system")]
