"""Reconciliation on a real Asterisk: right rows agree with its records, a wrong and a deleted one are found."""

import asyncio
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import delete, update

from ari_app.domain.callback import Acceptance, State, channel_id
from ari_app.domain.ending import Party
from ari_app.domain.leg import Role
from ari_app.domain.reconciliation import Finding, Kind
from ari_app.jobs.reconcile import SETTLED, Reconciliation
from db.call_records import CallRecordStore
from db.tables import cdr

from .office import Ended, Office

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

NONE, PRESS1 = Acceptance.NONE, Acceptance.PRESS1
# The endings of the agent's and the customer's numbers: joined, not dialled, refused, unanswered, not accepted.
CALLS = [
    *[("33", ending, NONE) for ending in ("31", "31", "11", "12", "13", "14", "16", "19")],
    *[(ending, "32", NONE) for ending in ("11", "12", "13", "14", "16", "19")],
    *[(ending, "32", PRESS1) for ending in ("23", "24", "16")],
]


class LaterClock:
    """The time when everything has settled."""

    def __init__(self, office: Office) -> None:
        self._clock = office.services.clock

    def now(self) -> datetime:
        """Some time from now."""
        return self._clock.now() + SETTLED + timedelta(seconds=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calls(office: Office) -> list[Ended]:
    """Calls of every kind at the same time, some of them cut while a phone rings."""

    async def carry_out(agent: str, customer: str, acceptance: Acceptance) -> Ended:
        return await office.ended(await office.place(agent, customer, acceptance))

    async def cut(agent: str, customer: str, state: State, by: Party) -> Ended:
        call = await office.place(agent, customer)
        await office.reached(call, state)
        await office.cancel(call, by)
        return await office.ended(call)

    return list(
        await asyncio.gather(
            *(carry_out(*call) for call in CALLS),
            cut("12", "32", State.RINGING_AGENT, Party.AGENT),
            cut("33", "12", State.RINGING_CUSTOMER, Party.AGENT),
            cut("33", "12", State.RINGING_CUSTOMER, Party.ADMIN),
            cut("33", "33", State.TALKING, Party.ADMIN),
        )
    )


async def found(office: Office, calls: list[Ended]) -> list[Finding]:
    """What reconciliation finds of these calls, compared as ended and as placed."""
    services = office.services
    records = Reconciliation(services.settings.cel_file, CallRecordStore(services.database), "main", LaterClock(office))
    placed = [call.callback.created_at for call in calls]
    ended = [call.callback.ended_at for call in calls if call.callback.ended_at]
    slices = records.placed(min(placed), max(placed) + timedelta(milliseconds=1))
    again = records.ended(min(ended), max(ended) + timedelta(milliseconds=1))
    ids, legs = {call.callback.id for call in calls}, 0
    findings = []
    async for compared in slices:
        findings += [finding for finding in compared.findings if finding.call_id in ids]
        legs += compared.legs
        assert compared.uncovered == 0
    assert legs >= 2 * len(calls)
    assert [finding async for part in again for finding in part.findings if finding.call_id in ids] == findings
    return findings


async def test_rows_of_real_calls_agree(calls: list[Ended], office: Office) -> None:
    """Not one finding, legs that were created but never dialled included."""
    undialled = [call for call in calls if call.customer is None]
    assert len(undialled) >= 8
    assert await found(office, calls) == []


async def test_a_wrong_row_and_a_deleted_one_are_found(calls: list[Ended], office: Office) -> None:
    """The second stated and the second measured; the leg named."""
    wrong, gone = [call for call in calls if call.customer and call.customer.answer][:2]
    assert wrong.customer
    assert gone.customer
    late = wrong.customer.end + timedelta(seconds=2)
    async with office.services.database.write() as connection:
        row = cdr.c.uniqueid == channel_id(wrong.callback.id, Role.CUSTOMER)
        await connection.execute(update(cdr).where(row).values(end=late))
        row = cdr.c.uniqueid == channel_id(gone.callback.id, Role.CUSTOMER)
        await connection.execute(delete(cdr).where(row))
    findings = {finding.call_id: finding for finding in await found(office, calls)}
    assert len(findings) == 2
    different, missing = findings[wrong.callback.id], findings[gone.callback.id]
    assert (different.kind, different.leg, different.field, different.ours) == (
        Kind.DIFFERENT, Role.CUSTOMER, "end", late,
    )  # fmt: skip
    assert isinstance(different.theirs, datetime)
    assert abs(different.theirs - wrong.customer.end) < timedelta(milliseconds=50)
    assert (missing.kind, missing.leg) == (Kind.MISSING, Role.CUSTOMER)
