"""The rows held against Asterisk's own record of events (CEL), and against what reached the carrier."""

import asyncio
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from ari_app.domain.callback import Acceptance, State, channel_id
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import Party
from ari_app.domain.leg import Role

from .exchange import Exchange
from .office import Ended, Office

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

CLOSE = timedelta(milliseconds=50)
NONE, PRESS1 = Acceptance.NONE, Acceptance.PRESS1
CALLS = [
    ("33", "31", NONE),
    ("33", "31", NONE),
    ("24", "32", PRESS1),
    ("33", "16", NONE),
    ("33", "11", NONE),
    ("33", "13", NONE),
    ("33", "19", NONE),
    ("11", "32", NONE),
    ("13", "32", NONE),
    ("23", "32", PRESS1),
    ("16", "32", PRESS1),
]

Events = dict[str, dict[str, datetime]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calls(office: Office) -> list[Ended]:
    """A batch of calls that went at the same time, one cut by an administrator while its customer rang."""

    async def carry_out(agent: str, customer: str, acceptance: Acceptance) -> Ended:
        return await office.ended(await office.place(agent, customer, acceptance))

    async def cut() -> Ended:
        call = await office.place("33", "12")
        await office.reached(call, State.RINGING_CUSTOMER)
        await office.cancel(call, Party.ADMIN)
        return await office.ended(call)

    return list(await asyncio.gather(cut(), *(carry_out(*call) for call in CALLS)))


@pytest.fixture(scope="module")
def cel(calls: list[Ended], exchange: Exchange) -> Events:
    """The time of each kind of event, by channel."""
    events: Events = defaultdict(dict)
    for line in Path(exchange.connection.cel_file).read_text().splitlines():
        event = json.loads(line)
        at = datetime.fromtimestamp(float(event["eventtime"]), UTC)
        events[event["uniqueid"]].setdefault(event["eventtype"], at)
    return events


async def test_every_row_agrees_with_asterisk(calls: list[Ended], cel: Events, office: Office) -> None:
    """Answer and end within 50 ms of CEL's, start within 50 ms of the INVITE, whole seconds cut off."""
    for row in _rows(calls):
        events = cel[row.uniqueid]
        (phone,) = office.carrier.calls(row.dst)
        assert events["CHAN_START"] <= row.start + CLOSE
        assert abs(row.start - phone.invited_at) < CLOSE
        assert abs(row.end - events["HANGUP"]) < CLOSE
        assert ("ANSWER" in events) is (row.answer is not None)
        if row.answer is not None:
            assert abs(row.answer - events["ANSWER"]) < CLOSE
        assert row.duration == int((row.end - row.start).total_seconds())
        assert row.billsec == (int((row.end - row.answer).total_seconds()) if row.answer else 0)


async def test_a_cause_that_came_from_the_network_is_asterisks(calls: list[Ended], exchange: Exchange) -> None:
    """What we did not end ourselves carries the Q.850 cause of CEL's HANGUP."""
    causes = {}
    for line in Path(exchange.connection.cel_file).read_text().splitlines():
        if (event := json.loads(line))["eventtype"] == "HANGUP":
            causes[event["uniqueid"]] = json.loads(event["eventextra"])["hangupcause"]
    theirs = {1: Party.AGENT, 2: Party.CUSTOMER}
    by_themselves = [row for row in _rows(calls) if row.ended_by is theirs[row.leg]]
    assert len(by_themselves) >= len(CALLS) - 1
    for row in by_themselves:
        assert row.cause == causes[row.uniqueid]


async def test_one_row_a_dialled_leg_and_none_for_the_others(calls: list[Ended], cel: Events, office: Office) -> None:
    """What reached the carrier has its row; a leg that only waited on the switch has none."""
    for ended in calls:
        call = ended.callback
        legs = ((Role.AGENT, call.agent_number, ended.agent), (Role.CUSTOMER, call.customer_number, ended.customer))
        for role, number, row in legs:
            assert len(office.carrier.calls(number)) == (row is not None)
            assert "HANGUP" in cel[channel_id(call.id, role)]
            assert row is None or row.uniqueid == channel_id(call.id, role)


def _rows(calls: list[Ended]) -> list[CdrRow]:
    return [row for ended in calls for row in (ended.agent, ended.customer) if row is not None]
