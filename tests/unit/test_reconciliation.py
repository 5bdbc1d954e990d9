"""The rows against the switch's records: every kind of agreement and disagreement, and none invented."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_app.domain.callback import Acceptance, Callback, channel_id, first_id
from ari_app.domain.cdr import CdrRow, rows_of
from ari_app.domain.ending import LegEnd, Party, cut, ring_limit
from ari_app.domain.leg import Role
from ari_app.domain.reconciliation import CallRecord, Finding, Kind, SwitchLeg, compare

NOON = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
AGENT, CUSTOMER = Role.AGENT, Role.CUSTOMER


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def order(**facts: Any) -> Callback:
    """A callback placed at noon, its legs planned."""
    call = Callback(
        id=first_id(NOON) + "a" * 20, account_id=1, login="suzuki", caller_id="0312345678", agent_number="09011110001",
        customer_number="08022220002", customer_caller_id="0312345678", withheld=False, acceptance=Acceptance.NONE,
        created_at=NOON, node="main", **facts,
    )  # fmt: skip
    call.plan_legs("PJSIP/{number}@trunk")
    return call


def joined(shift: timedelta = timedelta()) -> CallRecord:
    """A conversation as both sides record it; our times are `shift` off."""
    call = order()
    end = LegEnd.of_cause(16, "", None, answered=True, by=Party.CUSTOMER)
    for leg, dialled, answered in zip(call.legs, (0.1, 4.0), (3.0, 9.0), strict=True):
        leg.dial(after(dialled) + shift)
        leg.answer(after(answered) + shift)
        leg.finish(after(69.4) + shift, end)
    call.ended_at = after(69.4) + shift
    legs = {
        AGENT: SwitchLeg(after(0.05), after(4.001), after(3), after(69.4), 16),
        CUSTOMER: SwitchLeg(after(0.06), after(0.09), after(9), after(69.4), 16, source_named=True),
    }
    return CallRecord(call.id, call, rows(call), legs)


def unanswered(end: LegEnd, cause: int, *, source_named: bool) -> CallRecord:
    """A callback whose agent did not answer; its customer's leg was created and never dialled."""
    call = order()
    call.legs[0].dial(after(0.1))
    call.legs[0].finish(after(30.1), end)
    call.ended_at = after(30.1)
    legs = {
        AGENT: SwitchLeg(after(0.05), None, None, after(30.1), cause, source_named),
        CUSTOMER: SwitchLeg(after(0.06), after(0.09), None, after(30.2), 16, source_named=True),
    }
    return CallRecord(call.id, call, rows(call), legs)


def rows(call: Callback) -> dict[Role, CdrRow]:
    return {Role(row.leg): row for row in rows_of(call.id, call.legs, accountcode=call.login, node="main")}


def with_row(call: CallRecord, role: Role, **facts: Any) -> CallRecord:
    """The call with one row altered."""
    return replace(call, rows={**call.rows, role: replace(call.rows[role], **facts)})


def with_leg(call: CallRecord, role: Role, **facts: Any) -> CallRecord:
    """The call with one of the switch's legs altered."""
    return replace(call, legs={**call.legs, role: replace(call.legs[role], **facts)})


REFUSED = LegEnd.of_cause(17, "", 486, answered=False, by=Party.AGENT)
BY_16 = LegEnd.of_cause(16, "", 480, answered=False, by=Party.AGENT)


@pytest.mark.parametrize(
    "call",
    [
        joined(),
        joined(timedelta(seconds=0.9)),
        joined(timedelta(seconds=-0.9)),
        unanswered(ring_limit(), 16, source_named=False),
        unanswered(cut(Party.ADMIN), 16, source_named=False),
        unanswered(REFUSED, 17, source_named=True),
        unanswered(BY_16, 16, source_named=True),  # looks like a leg never dialled
        with_leg(joined(), CUSTOMER, bridged_at=None),  # nothing tells when leg 1 was dialled
        with_leg(joined(), AGENT, bridged_at=after(20)),  # joined by a later start of ours
        with_leg(joined(), CUSTOMER, cause=0),  # a BYE without a reason
    ],
)
def test_both_sides_agree(call: CallRecord) -> None:
    assert compare(call) == []


@pytest.mark.parametrize(
    ("call", "role", "field"),
    [
        (with_row(joined(), AGENT, start=after(1.2)), AGENT, "start"),
        (with_row(joined(), CUSTOMER, start=after(2.9)), CUSTOMER, "start"),
        (with_row(with_leg(joined(), CUSTOMER, bridged_at=None), AGENT, start=after(-2)), AGENT, "start"),
        (with_row(joined(), CUSTOMER, answer=after(10.1)), CUSTOMER, "answer"),
        (with_row(joined(), CUSTOMER, answer=None), CUSTOMER, "answer"),
        (with_row(joined(), AGENT, end=after(68)), AGENT, "end"),
        (with_leg(joined(), AGENT, ended_at=None), AGENT, "end"),
        (with_row(joined(), AGENT, duration=71), AGENT, "duration"),
        (with_row(joined(), CUSTOMER, billsec=30), CUSTOMER, "billsec"),
        (with_row(joined(), CUSTOMER, cause=31), CUSTOMER, "cause"),
        (with_row(unanswered(REFUSED, 17, source_named=True), AGENT, cause=21), AGENT, "cause"),
    ],
)
def test_a_difference_names_leg_field_and_both_words(call: CallRecord, role: Role, field: str) -> None:
    (found,) = compare(call)
    assert (found.kind, found.call_id, found.leg, found.field) == (Kind.DIFFERENT, call.call_id, role, field)
    assert found.ours == getattr(call.rows[role], field)
    assert found.theirs != found.ours


def test_a_cause_of_ours_is_not_the_switchs() -> None:
    call = with_row(unanswered(ring_limit(), 16, source_named=False), AGENT, cause=19)
    assert call.rows[AGENT].ended_by is Party.SYSTEM
    assert compare(call) == []


@pytest.mark.parametrize(
    "call",
    [
        joined(),
        unanswered(ring_limit(), 16, source_named=False),
        unanswered(REFUSED, 17, source_named=True),
        unanswered(BY_16, 16, source_named=True),
    ],
)
def test_a_dialled_leg_without_a_row_is_missing(call: CallRecord) -> None:
    """The customer's leg that was never dialled is not."""
    found = compare(replace(call, rows={}))
    assert [(finding.kind, finding.leg) for finding in found] == [(Kind.MISSING, role) for role in call.rows]
    assert found[0] == Finding(Kind.MISSING, call.call_id, AGENT, "end", None, call.legs[AGENT].ended_at)


@pytest.mark.parametrize("call", [joined(), unanswered(REFUSED, 17, source_named=True)])
def test_what_the_switch_shows_is_missing_even_if_we_know_nothing_of_the_call(call: CallRecord) -> None:
    found = compare(replace(call, rows={}, order=None))
    assert [finding.leg for finding in found] == list(call.rows)


def test_a_row_without_a_leg_is_extra() -> None:
    call = joined()
    (found,) = compare(replace(call, legs={AGENT: call.legs[AGENT]}))
    assert (found.kind, found.leg, found.ours) == (Kind.EXTRA, CUSTOMER, call.rows[CUSTOMER].start)


def test_a_channel_that_came_in_is_not_judged() -> None:
    call = with_row(joined(), CUSTOMER, uniqueid="1795260414.1")
    assert compare(replace(call, order=None, legs={AGENT: call.legs[AGENT]})) == []


def test_end_of_a_call() -> None:
    """Our word for it; where we know nothing of the call, the last of its records, if all have one."""
    call = joined()
    assert call.ended_at == after(69.4)
    assert replace(call, order=None, rows={}).ended_at == after(69.4)
    assert with_leg(replace(call, order=None), AGENT, ended_at=None).ended_at is None
    assert replace(call, order=order()).ended_at is None


def test_node_of_a_call() -> None:
    call = joined()
    assert call.on_node("main")
    assert not call.on_node("other")
    assert not replace(call, order=None).on_node("other")
    assert replace(call, order=None, rows={}).on_node("other")


seconds = st.floats(-30, 30)


@given(seconds)
def test_one_second_is_the_limit(off: float) -> None:
    """A whole row off by so much differs in its times and in nothing else, and only beyond a second."""
    found = compare(joined(timedelta(seconds=off)))
    if abs(off) > 1.01:
        fields = [(finding.leg, finding.field) for finding in found]
        assert fields == [(role, field) for role in Role for field in ("start", "answer", "end")]
    elif abs(off) < 0.99:
        assert found == []


@given(st.sampled_from([AGENT, CUSTOMER]), st.sampled_from(["start", "answer", "end"]), seconds)
def test_every_altered_time_is_found(role: Role, field: str, off: float) -> None:
    call = joined()
    altered = with_row(call, role, **{field: getattr(call.rows[role], field) + timedelta(seconds=off)})
    found = {finding.field for finding in compare(altered)}
    assert found <= {field}
    assert (field in found) is (abs(off) > 1) or 0.98 < abs(off) < 1.02


def test_ids_sort_by_time() -> None:
    """An id made at a moment is at or behind `first_id` of that moment, and before the next millisecond's."""
    from ari_app.flows.desk import _new_id

    assert first_id(NOON) <= _new_id(NOON) < first_id(NOON + timedelta(milliseconds=1))
    assert channel_id(_new_id(NOON), AGENT) < channel_id(_new_id(after(1)), AGENT)
