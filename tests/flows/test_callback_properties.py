"""Whatever happens, at whatever moment: nothing is left, each dialled leg has one row, states follow one another."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import note as remark
from hypothesis import strategies as st

from ari_app.domain.callback import Acceptance
from ari_app.domain.ending import Party
from tests.fakes.scene import AGENT, CUSTOMER, Scene, new_call, open_scene

QUICK_S = 0.02

ACTIONS: dict[str, Callable[[Scene], object]] = {
    "agent rings": lambda scene: scene.asterisk.phone(AGENT).rings(),
    "agent answers": lambda scene: scene.asterisk.phone(AGENT).answers(),
    "agent declines": lambda scene: scene.asterisk.phone(AGENT).declines(603),
    "agent hangs up": lambda scene: scene.asterisk.phone(AGENT).hangs_up(),
    "agent slips away": lambda scene: scene.asterisk.phone(AGENT).slips_away(),
    "agent presses 1": lambda scene: scene.asterisk.phone(AGENT).presses("1"),
    "customer rings": lambda scene: scene.asterisk.phone(CUSTOMER).rings(),
    "customer progresses": lambda scene: scene.asterisk.phone(CUSTOMER).progresses(),
    "customer answers": lambda scene: scene.asterisk.phone(CUSTOMER).answers(),
    "customer is busy": lambda scene: scene.asterisk.phone(CUSTOMER).declines(486),
    "customer hangs up": lambda scene: scene.asterisk.phone(CUSTOMER).hangs_up(),
    "owner cancels": lambda scene: scene.cut(Party.AGENT),
    "administrator cuts": lambda scene: scene.cut(Party.ADMIN),
    "we stop": lambda scene: scene.shut_down(),
    "socket is cut": lambda scene: scene.asterisk.cut_socket(),
    "events come first": lambda scene: setattr(scene.asterisk, "events_first", lambda line: True),
    "responses come first": lambda scene: setattr(scene.asterisk, "events_first", lambda line: False),
    "database is slow": lambda scene: scene.records.open.clear(),
    "database is quick": lambda scene: scene.records.open.set(),
}

moments = st.dictionaries(st.integers(0, 40), st.lists(st.sampled_from(sorted(ACTIONS)), max_size=3), max_size=10)


async def interleave(plan: dict[int, list[str]], acceptance: Acceptance) -> None:
    async with open_scene(new_call(acceptance)) as scene:
        note = scene.asterisk.note
        scene.unanswered = any("socket is cut" in actions for actions in plan.values())
        count = iter(range(10_000))

        def noting(line: str) -> None:
            note(line)
            for action in plan.get(next(count), []):
                ACTIONS[action](scene)

        scene.asterisk.note = noting  # type: ignore[method-assign]
        scene.records._note = noting
        task = scene.start(ring_agent_s=QUICK_S, ring_customer_s=QUICK_S, accept_s=QUICK_S)
        scene.phones("rings, answers", "")
        await finish(scene, task)


async def finish(scene: Scene, task: asyncio.Task[None]) -> None:
    """Let the call come to its end: a database that was slow is quick again, a conversation is hung up or left."""
    await asyncio.wait([task], timeout=4 * QUICK_S)
    scene.records.open.set()
    while not task.done():
        scene.records.open.set()
        if scene.call.state == "talking":
            scene.asterisk.phone(CUSTOMER).hangs_up()
        await asyncio.wait([task], timeout=QUICK_S)
    await asyncio.gather(*scene.tasks, return_exceptions=True)
    scene.records.open.set()
    await scene.records.drained()
    remark(str(scene.asterisk.story))
    if scene.unanswered and scene.call.ended_at is not None:
        await scene.client.wait_connected()
        for _ in range(2):  # what could not be asked for while the socket was down is swept
            await scene.switch.sweep()
    scene.leaves_up = scene.call.ended_at is None and scene.call.state == "talking"
    if scene.call.ended_at is None:
        assert scene.leaves_up, "only a conversation stays open"
        assert task.cancelled(), "and only when it was we who stopped"


@pytest.mark.parametrize("acceptance", Acceptance)
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=moments)
@example(plan={9: ["agent hangs up", "customer hangs up"], 15: ["customer answers"], 16: ["we stop"]})
@example(plan={8: ["socket is cut"], 12: ["agent answers"], 20: ["customer answers"], 22: ["socket is cut"]})
def test_whatever_happens(acceptance: Acceptance, plan: dict[int, list[str]]) -> None:
    """The proof is the scene's own (tests/fakes/scene.py), after every one of these."""
    asyncio.run(interleave(plan, acceptance))
