"""The CDR 発着信履歴: one row a dialled leg, in Asterisk's names and types."""

from dataclasses import dataclass
from datetime import datetime

from ari_app.domain.ending import Disposition, LegEnd, Party, disposition
from ari_app.domain.leg import Leg

DCONTEXT = "kakehashi"
LASTDATA_CHARACTERS = 80  # as wide as the column is in Asterisk's own schema
AMAFLAGS_DOCUMENTATION = 3


@dataclass(frozen=True, slots=True)
class CdrRow:
    """One leg's record; field names are the columns' (`end` and `start` as Asterisk spells them)."""

    calldate: datetime
    clid: str
    src: str
    dst: str
    dcontext: str
    channel: str
    dstchannel: str
    lastapp: str
    lastdata: str
    start: datetime
    answer: datetime | None
    end: datetime
    duration: int
    billsec: int
    disposition: Disposition
    amaflags: int
    accountcode: str
    uniqueid: str
    linkedid: str
    peeraccount: str
    sequence: int
    userfield: str
    recordingfile: str
    call_id: str
    leg: int
    caller_id: str
    ended_by: Party
    cause: int
    cause_text: str
    ring_ms: int | None
    accept_at: datetime | None
    bridged_at: datetime | None
    node: str


def rows_of(call_id: str, legs: list[Leg], *, accountcode: str, node: str) -> list[CdrRow]:
    """The rows of a call's dialled and ended legs; a leg that was never dialled has none."""
    dialled = [leg for leg in legs if leg.dialled]
    return [_row(call_id, leg, _peer(leg, dialled), accountcode, node) for leg in dialled]


def _row(call_id: str, leg: Leg, peer: Leg | None, accountcode: str, node: str) -> CdrRow:
    start, end, how = _ended(leg)
    answered = leg.answered_at is not None
    rang_until = leg.answered_at or end
    src, dst = (leg.number, leg.caller_id) if leg.inbound else (leg.caller_id, leg.number)
    return CdrRow(
        calldate=start,
        clid=src,
        src=src,
        dst=dst,
        dcontext=DCONTEXT,
        channel=leg.channel_name,
        dstchannel=peer.channel_name if peer else "",
        lastapp="Stasis",
        lastdata=leg.endpoint[:LASTDATA_CHARACTERS],
        start=start,
        answer=leg.answered_at,
        end=end,
        duration=_whole_seconds(start, end),
        billsec=_whole_seconds(leg.answered_at, end) if leg.answered_at else 0,
        disposition=disposition(how, answered=answered),
        amaflags=AMAFLAGS_DOCUMENTATION,
        accountcode=accountcode,
        uniqueid=leg.channel_id,
        linkedid=call_id,
        peeraccount="",
        sequence=leg.role.value,
        userfield="",
        recordingfile="",
        call_id=call_id,
        leg=leg.role.value,
        caller_id=leg.caller_id,
        ended_by=how.by,
        cause=how.cause,
        cause_text=how.text,
        ring_ms=max(0, round((rang_until - leg.ringing_at).total_seconds() * 1000)) if leg.ringing_at else None,
        accept_at=leg.accepted_at,
        bridged_at=leg.bridged_at,
        node=node,
    )


def _ended(leg: Leg) -> tuple[datetime, datetime, LegEnd]:
    if leg.started_at is None or leg.ended_at is None or leg.end is None:
        raise ValueError(f"leg {leg.channel_id} has not ended")
    # The switch's clock and ours may differ by a hair: a leg never ends, nor is answered, before it began.
    start = min(leg.started_at, leg.answered_at or leg.started_at)
    return start, max(leg.ended_at, start), leg.end


def _peer(leg: Leg, dialled: list[Leg]) -> Leg | None:
    return next((other for other in dialled if other is not leg and other.bridged_at), None)


def _whole_seconds(start: datetime, end: datetime) -> int:
    return max(0, int((end - start).total_seconds()))
