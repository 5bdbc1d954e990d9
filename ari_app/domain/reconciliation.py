"""Our CDR rows against the switch's own records of the same legs: pure comparison, findings out.

A leg is created before it is dialled, so the switch has records of legs that were never dialled and have no row, and
it writes no event as it dials. That a leg was dialled follows from its answer or from how it ended
(`SwitchLeg.seen_dialled`), when it was dialled from its peer: each leg is dialled as the other one enters the bridge.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ari_app.domain.callback import Callback, channel_id
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import CAUSE_NORMAL, Party
from ari_app.domain.leg import Role

TOLERANCE = timedelta(seconds=1)

Fact = datetime | int | None


class Kind(StrEnum):
    """What is wrong: a dialled leg without a row, a row without a leg, or the two tell different things."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class SwitchLeg:
    """What the switch wrote of one channel. Times UTC, the first of each; None where it wrote no such event.

    `cause` is Q.850, 0 where the switch states none; `source_named` tells whether it named who hung up.
    """

    created_at: datetime | None = None
    bridged_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    cause: int = 0
    source_named: bool = False

    @property
    def seen_dialled(self) -> bool:
        """Whether these records alone show that the leg was dialled.

        Hung up before it was dialled, a channel ends with cause 16 and names itself as the source; hung up by us while
        it rings, with cause 16 and no source; by the network, with the network's cause (observed on 22.10.1). A network
        that refuses a call with cause 16 looks like a leg that was never dialled: False says nothing.
        """
        if self.answered_at is not None:
            return True
        return self.ended_at is not None and not (self.cause == CAUSE_NORMAL and self.source_named)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """Both sides' records of one call. `order` is None where we know of no such call."""

    call_id: str
    order: Callback | None
    rows: dict[Role, CdrRow]
    legs: dict[Role, SwitchLeg]

    @property
    def ended_at(self) -> datetime | None:
        """When the call was over, None while it goes on: our word for it, else the records'."""
        if self.order is not None:
            return self.order.ended_at
        ends = [leg.ended_at for leg in self.legs.values()]
        if None in ends:
            return None
        return max([end for end in ends if end] + [row.end for row in self.rows.values()], default=None)

    def on_node(self, node: str) -> bool:
        """Whether the call was carried out by that telephony node, as far as we know."""
        if self.order is not None:
            return self.order.node == node
        return all(row.node == node for row in self.rows.values())


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement. `field` is the row's column; `ours` and `theirs` are the row's and the switch's word for it."""

    kind: Kind
    call_id: str
    leg: Role
    field: str
    ours: Fact
    theirs: Fact


@dataclass(slots=True)
class Tally:
    """What was compared since the process started, for whoever counts."""

    findings: Counter[Kind] = field(default_factory=Counter)
    legs: int = 0


def compare(call: CallRecord) -> list[Finding]:
    """The findings of one call that is over, leg 1 first."""
    findings = []
    for role in Role:
        row, leg = call.rows.get(role), call.legs.get(role)
        if row is None:
            if _dialled(call, role):
                findings.append(Finding(Kind.MISSING, call.call_id, role, "end", None, leg.ended_at if leg else None))
        elif leg is None:
            if row.uniqueid != channel_id(call.call_id, role):
                continue  # a channel that came in: its id is the switch's, and tells no call
            findings.append(Finding(Kind.EXTRA, call.call_id, role, "start", row.start, None))
        else:
            peer = next((call.legs[other] for other in call.legs if other is not role), None)
            findings += [
                Finding(Kind.DIFFERENT, call.call_id, role, name, ours, theirs)
                for name, ours, theirs in _differences(row, leg, peer)
            ]
    return findings


def _dialled(call: CallRecord, role: Role) -> bool:
    told = call.order is not None and any(leg.role is role and leg.dialled for leg in call.order.legs)
    return told or (role in call.legs and call.legs[role].seen_dialled)


def _differences(row: CdrRow, leg: SwitchLeg, peer: SwitchLeg | None) -> list[tuple[str, Fact, Fact]]:
    started = _dialled_at(leg, peer) or _within(row.start, leg.created_at, leg.answered_at or leg.ended_at)
    compared: list[tuple[str, Fact, Fact]] = [
        ("start", row.start, started),
        ("answer", row.answer, leg.answered_at),
        ("end", row.end, leg.ended_at),
    ]
    if leg.ended_at is not None:
        compared.append(("duration", row.duration, _whole_seconds(started, leg.ended_at)))
        compared.append(("billsec", row.billsec, _whole_seconds(leg.answered_at or leg.ended_at, leg.ended_at)))
    found = [(name, ours, theirs) for name, ours, theirs in compared if _differ(ours, theirs)]
    by_itself = row.ended_by is (Party.AGENT if row.leg == Role.AGENT else Party.CUSTOMER)
    if by_itself and leg.cause and row.cause != leg.cause:  # an end of ours has a cause of ours
        found.append(("cause", row.cause, leg.cause))
    return found


def _dialled_at(leg: SwitchLeg, peer: SwitchLeg | None) -> datetime | None:
    """When the leg was dialled: as its peer entered the bridge, unless that was after this leg answered or ended."""
    over = leg.answered_at or leg.ended_at
    if peer is None or peer.bridged_at is None or (over is not None and peer.bridged_at > over + TOLERANCE):
        return None
    return peer.bridged_at


def _within(moment: datetime, low: datetime | None, high: datetime | None) -> datetime:
    """The moment itself, or the bound that it passes."""
    if low is not None and moment < low:
        return low
    return high if high is not None and moment > high else moment


def _differ(ours: Fact, theirs: Fact) -> bool:
    if isinstance(ours, datetime) and isinstance(theirs, datetime):
        return abs(ours - theirs) > TOLERANCE
    if isinstance(ours, int) and isinstance(theirs, int):
        return abs(ours - theirs) > TOLERANCE.total_seconds()
    return ours is not theirs  # one of them is None


def _whole_seconds(start: datetime, end: datetime) -> int:
    return max(0, int((end - start).total_seconds()))
