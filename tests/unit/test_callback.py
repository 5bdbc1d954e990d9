"""A callback's states, its result, its legs' ids."""

from datetime import UTC, datetime, timedelta

import pytest

from ari_app.domain.callback import (
    Acceptance,
    Callback,
    IllegalChangeError,
    Result,
    State,
    call_of_channel,
    channel_id,
    endpoint_of,
    is_call_id,
)
from ari_app.domain.ending import LegEnd, Party, Reason, ring_limit
from ari_app.domain.leg import Leg, Role
from ari_app.errors import NumberCharactersError

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
TRUNK = "PJSIP/{number}@trunk"


def a_call(acceptance: Acceptance = Acceptance.NONE) -> Callback:
    return Callback(
        "a" * 32, 1, "tanaka", "0312345678", "09011110001", "08022220002", "0355556666", True, acceptance, NOW
    )


STEPS = {
    State.RINGING_AGENT: lambda call: call.ring_agent(NOW),
    State.AGENT_ANSWERED: lambda call: call.agent_answered(NOW),
    State.RINGING_CUSTOMER: lambda call: call.ring_customer(NOW),
    State.TALKING: lambda call: call.talk(NOW),
    State.ENDED: lambda call: call.finish(NOW, Reason.COMPLETED, Party.CUSTOMER),
}


def test_the_way_of_a_call() -> None:
    """Each step notes its time; the owner may cancel until the customer answers."""
    call = a_call()
    cancellable = [call.cancellable]
    for step in STEPS.values():
        step(call)
        cancellable.append(call.cancellable)
    assert cancellable == [True, True, True, True, False, False]
    times = (call.ringing_agent_at, call.agent_answered_at, call.ringing_customer_at, call.talking_at, call.ended_at)
    assert times == (NOW,) * 5
    assert (call.result, call.reason, call.ended_by) == (Result.AGENT_ANSWERED, Reason.COMPLETED, Party.CUSTOMER)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", STEPS)
def test_only_what_follows_may_come(state: State, step: State) -> None:
    """Rule 8: forwards, one step at a time, and to its end from anywhere but the end."""
    order = list(State)
    call = a_call()
    call.state = state
    follows = order.index(step) == order.index(state) + 1 or (step is State.ENDED and state is not State.ENDED)
    if follows:
        STEPS[step](call)
        assert call.state is step
    else:
        with pytest.raises(IllegalChangeError, match=f"{state} -> {step}"):
            STEPS[step](call)
        assert call.state is state


@pytest.mark.parametrize(
    ("acceptance", "answered", "result"),
    [
        (Acceptance.NONE, False, Result.AGENT_NOT_ANSWERED),
        (Acceptance.NONE, True, Result.AGENT_ANSWERED),
        (Acceptance.PRESS1, False, Result.AGENT_NOT_ANSWERED),
        (Acceptance.PRESS1, True, Result.AGENT_NOT_ANSWERED),
    ],
)
def test_the_result_speaks_of_leg_1(acceptance: Acceptance, answered: bool, result: Result) -> None:
    """With an acceptance key an answer alone, which may be a voicemail's, is 発信元不応答."""
    call = a_call(acceptance)
    agent, _ = call.plan_legs(TRUNK)
    call.ring_agent(NOW)
    if answered:
        agent.answer(NOW)
    call.finish(NOW, Reason.CANCELLED, Party.AGENT)
    assert call.result is result


def test_the_legs() -> None:
    """Leg 1 shows the screen's choice, leg 2 the prefix's number, withheld if 184 was typed."""
    agent, customer = a_call().plan_legs(TRUNK)
    assert (agent.role, agent.number, agent.caller_id, agent.endpoint, agent.withheld) == (
        Role.AGENT,
        "09011110001",
        "0312345678",
        "PJSIP/09011110001@trunk",
        False,
    )
    assert (customer.role, customer.number, customer.caller_id, customer.endpoint, customer.withheld) == (
        Role.CUSTOMER,
        "08022220002",
        "0355556666",
        "PJSIP/08022220002@trunk",
        True,
    )
    assert not agent.dialled


@pytest.mark.parametrize("number", ["", "0901/evil", "0901@host", "0901;x=1", "+8190", "０９０", "09 0", "0901\r\n"])
def test_only_digits_reach_the_switch(number: str) -> None:
    """`PJSIP/trunk/sip:x@host` would name another destination."""
    with pytest.raises(NumberCharactersError):
        endpoint_of(number, TRUNK)


def test_ids_of_channels() -> None:
    """Known before the switch is asked, and told from a stranger's afterwards."""
    for role in Role:
        assert call_of_channel(channel_id("a" * 32, role)) == "a" * 32
    assert [call_of_channel(text) for text in ("", "a", "1700000000.12", "a-3", "a-", "x-1-9")] == [None] * 6
    assert is_call_id("0123456789abcdef" * 2)
    assert not any(map(is_call_id, ("", "A" * 32, "a" * 31, "a" * 33, "a" * 31 + "\n", "a" * 32 + "\n")))


def test_what_is_told_first_is_true() -> None:
    """Events repeat after a reconnect; neither time nor end moves."""
    leg = Leg(Role.AGENT, "c-1", "0901", "03", "PJSIP/0901@trunk")
    later = NOW + timedelta(seconds=1)
    for at in NOW, later:
        leg.dial(at)
        leg.ring(at)
        leg.answer(at)
    leg.finish(NOW, ring_limit())
    leg.finish(later, LegEnd(Reason.BUSY, Party.AGENT, 17, "x"))
    assert (leg.started_at, leg.ringing_at, leg.answered_at, leg.ended_at) == (NOW,) * 4
    assert leg.end == ring_limit()
    assert leg.dialled
    assert (Role.AGENT.word, Role.CUSTOMER.word) == ("agent", "customer")
