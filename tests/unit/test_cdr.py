"""The CDR: legs in, rows out, in Asterisk's names and types."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_app.domain.cdr import CdrRow, rows_of
from ari_app.domain.ending import Disposition, LegEnd, Party, Reason, cut, ring_limit
from ari_app.domain.leg import Leg, Role
from db.tables import cdr

T0 = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
NORMAL = LegEnd(Reason.COMPLETED, Party.CUSTOMER, 16, "Normal Clearing")


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else T0 + timedelta(seconds=seconds)


def leg(role: Role, *, start: float | None, ring: float | None = None, answer: float | None = None,
        bridged: float | None = None, end: float | None = None, how: LegEnd = NORMAL) -> Leg:  # fmt: skip
    number = "09011110001" if role is Role.AGENT else "08022220002"
    shown = "0312345678" if role is Role.AGENT else "0355556666"
    made = Leg(role, f"call-{role.value}", number, shown, f"PJSIP/{number}@trunk")
    made.channel_name = f"PJSIP/trunk-{role.value:08x}" if start is not None else ""
    made.started_at, made.ringing_at, made.answered_at, made.bridged_at = map(at, (start, ring, answer, bridged))
    made.ended_at, made.end = at(end), how if end is not None else None
    return made


def rows(*legs: Leg) -> list[CdrRow]:
    return rows_of("call", list(legs), accountcode="tanaka", node="tokyo-1")


# duration and billsec are whole seconds, cut off, as Asterisk does
@pytest.mark.parametrize(
    ("start", "answer", "end", "duration", "billsec", "ring_ms"),
    [
        (0.0, 3.2, 63.9, 63, 60, 3100),
        (0.0, None, 29.999, 29, 0, 29_899),
        (0.0, 0.9, 1.8, 1, 0, 800),
        (0.0, 0.1, 0.1, 0, 0, 0),
        (10.0, 10.5, 9.0, 0, 0, 400),
    ],
)
def test_times(start: float, answer: float | None, end: float, duration: int, billsec: int, ring_ms: int) -> None:
    (row,) = rows(leg(Role.AGENT, start=start, ring=start + 0.1, answer=answer, end=end))
    assert (row.duration, row.billsec, row.ring_ms) == (duration, billsec, ring_ms)
    assert (row.start, row.calldate) == (at(start), at(start))
    assert row.end >= row.start


@pytest.mark.parametrize(
    ("answer", "how", "disposition"),
    [
        (1.0, NORMAL, Disposition.ANSWERED),
        (1.0, cut(Party.ADMIN), Disposition.ANSWERED),
        (1.0, ring_limit(), Disposition.ANSWERED),
        (None, ring_limit(), Disposition.NO_ANSWER),
        (None, cut(Party.AGENT), Disposition.CANCEL),
        (None, cut(Party.SYSTEM, Reason.INTERRUPTED), Disposition.FAILED),
        (None, LegEnd(Reason.BUSY, Party.AGENT, 17, "User busy"), Disposition.BUSY),
        (None, LegEnd(Reason.NO_CHANNEL, Party.AGENT, 34, "Congestion"), Disposition.CONGESTION),
    ],
)
def test_dispositions(answer: float | None, how: LegEnd, disposition: Disposition) -> None:
    (row,) = rows(leg(Role.AGENT, start=0, answer=answer, end=5, how=how))
    assert row.disposition is disposition
    assert (row.ended_by, row.cause, row.cause_text) == (how.by, how.cause, how.text)


def test_a_conversation() -> None:
    """「発着信履歴では、コールバック発信1件につき2行の履歴が記録されます。」 Each names the other's channel."""
    agent = leg(Role.AGENT, start=0, ring=0.5, answer=3, bridged=12, end=60.5)
    customer = leg(Role.CUSTOMER, start=8, ring=9, answer=12, bridged=12, end=60.4)
    one, two = rows(agent, customer)
    assert (one.leg, two.leg) == (1, 2)
    assert (one.channel, one.dstchannel) == (two.dstchannel, two.channel)
    assert (one.src, one.dst) == ("0312345678", "09011110001")
    assert (two.src, two.dst) == ("0355556666", "08022220002")
    assert {one.linkedid, two.linkedid, one.call_id} == {"call"}
    assert (one.uniqueid, two.uniqueid) == ("call-1", "call-2")
    assert {one.accountcode, two.accountcode, one.node} == {"tanaka", "tokyo-1"}


def test_no_row_for_a_leg_that_was_never_dialled() -> None:
    (row,) = rows(leg(Role.AGENT, start=0, end=30, how=ring_limit()), leg(Role.CUSTOMER, start=None, end=30))
    assert row.leg == 1
    assert row.dstchannel == ""
    assert rows(leg(Role.AGENT, start=None), leg(Role.CUSTOMER, start=None)) == []


def test_a_leg_that_has_not_ended_is_a_defect() -> None:
    with pytest.raises(ValueError, match="has not ended"):
        rows(leg(Role.AGENT, start=0))


def test_a_leg_that_never_rang_has_no_ringing_time() -> None:
    (row,) = rows(leg(Role.AGENT, start=0, end=5))
    assert row.ring_ms is None
    assert row.answer is None


moments = st.floats(-5, 100, allow_nan=False)


@given(ring=st.none() | moments, answer=st.none() | moments, end=moments)
def test_two_clocks_never_make_a_negative_time(ring: float | None, answer: float | None, end: float) -> None:
    """Asterisk's clock and ours differ by a hair, and after an outage by what we did not see."""
    (row,) = rows(leg(Role.AGENT, start=0, ring=ring, answer=answer, end=end))
    assert row.duration >= row.billsec >= 0
    assert row.end >= row.start
    assert row.ring_ms is None or row.ring_ms >= 0


def test_the_rows_are_the_table() -> None:
    """Every column of the table comes from the domain, under Asterisk's own name."""
    assert {field.name for field in fields(CdrRow)} == {column.name for column in cdr.c} - {"id"}
