"""/cdrs: 発着信履歴, one row a leg, in Asterisk's column names."""

from typing import Annotated

from pydantic import Field

from ari_app.domain.ending import Disposition, Party
from ari_app.domain.numbers import normalise
from ari_app.domain.permissions import Action
from ari_app.errors import TooManyResultsError
from db.cdrs import CdrSearch
from web.api.caller import Caller
from web.api.operation import Resource
from web.api.schema import CallId, ListView, PeriodQuery, Time, TypedNumber, View, is_row_id, read_cursor
from web.representation import represent_cdr

cdrs = Resource("/cdrs", "records")


class CdrQuery(PeriodQuery):
    """Conditions of a search; numbers match from their beginning."""

    src: Annotated[TypedNumber | None, Field(description="the first digits of the number shown")] = None
    dst: Annotated[TypedNumber | None, Field(description="the first digits of the number dialled")] = None
    call_id: CallId | None = None


class CdrView(View):
    """One leg's record: Asterisk's CDR columns, then ours. `duration` and `billsec` are whole seconds, cut off."""

    calldate: Time
    clid: str
    src: str
    dst: str
    dcontext: str
    channel: str
    dstchannel: str
    lastapp: str
    lastdata: str
    start: Time
    answer: Time | None
    end: Time
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
    call_id: CallId
    leg: int
    caller_id: str
    ended_by: Party
    cause: int
    cause_text: str
    ring_ms: int | None
    accept_at: Time | None
    bridged_at: Time | None
    node: str


class CdrList(ListView[CdrView]):
    """Records, newest first."""


@cdrs.operation("GET", needs=Action.SEE_CDRS, refuses=(TooManyResultsError,))
async def list_cdrs(caller: Caller, query: CdrQuery) -> CdrList:
    """Search call records: one row a dialled leg.

    A supervisor sees the rows with a granted caller ID, an administrator all.
    """
    conditions = CdrSearch(
        period=query.period(caller.zone),
        src=query.src and normalise(query.src, "src"),
        dst=query.dst and normalise(query.dst, "dst"),
        call_id=query.call_id,
    )
    cursor = read_cursor(query.cursor, is_row_id)
    page = await caller.services.cdrs.search(conditions, caller.reach, limit=query.limit, cursor=cursor)
    return CdrList(
        items=[CdrView(**represent_cdr(row, caller.zone)) for row in page.items],
        next=page.next.encode() if page.next else None,
    )
