"""Every way a callback can go: what the agent's phone does, what the customer's does, who cuts it, what is written."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from ari_app.domain.callback import Acceptance, Callback, Result, State
from ari_app.domain.ending import Disposition, Party, Reason
from ari_app.errors import AgentBusyError, CapacityError, TooLateToCancelError

from .exchange import Exchange, settings_for
from .expected_row import Row, check_row
from .office import Ended, Office, customer_number, open_office
from .waiting import eventually

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

Act = Callable[[Office, Callback], Awaitable[None]]

NONE, PRESS1 = Acceptance.NONE, Acceptance.PRESS1
AGENT, CUSTOMER, SYSTEM, ADMIN = Party.AGENT, Party.CUSTOMER, Party.SYSTEM, Party.ADMIN
ANSWERED, NO_ANSWER, BUSY = Disposition.ANSWERED, Disposition.NO_ANSWER, Disposition.BUSY
FAILED, CONGESTION, CANCEL = Disposition.FAILED, Disposition.CONGESTION, Disposition.CANCEL


@dataclass(frozen=True)
class Case:
    """One callback: endings of the two numbers, and what must become of it. `customer_row` None: never dialled."""

    agent: str
    customer: str
    reason: Reason
    ended_by: Party
    agent_row: Row | None
    customer_row: Row | None = None
    acceptance: Acceptance = NONE
    act: Act | None = None


def cancel(state: State, by: Party) -> Act:
    """End the call on request once it is in `state`."""

    async def act(office: Office, call: Callback) -> None:
        await office.reached(call, state)
        await office.cancel(call, by)

    return act


def hang_up(role: str, state: State) -> Act:
    """A phone hangs up in `state`."""

    async def act(office: Office, call: Callback) -> None:
        await office.reached(call, state)
        number = call.agent_number if role == "agent" else call.customer_number
        await asyncio.to_thread(office.carrier.hang_up, number)

    return act


CASES = {
    # Talking: either side ends both.
    "customer hangs up": Case(
        "33", "31", Reason.COMPLETED, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (6, 7), (6, 7)), Row(ANSWERED, CUSTOMER, 16, (4, 5), (5, 7)),
    ),
    "agent hangs up": Case(
        "24", "32", Reason.COMPLETED, AGENT,
        Row(ANSWERED, AGENT, 16, (7, 8), (8, 9)), Row(ANSWERED, AGENT, 16, (5, 6), (5, 6)), PRESS1,
    ),
    "customer hangs up at once": Case(
        "33", "16", Reason.COMPLETED, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (1, 2), (1, 2)), Row(ANSWERED, CUSTOMER, 16, (0, 0), (1, 1)),
    ),
    "customer's voicemail": Case(
        "33", "15", Reason.COMPLETED, AGENT,
        Row(ANSWERED, AGENT, 16, (2, 3), (2, 3)), Row(ANSWERED, AGENT, 16, (0, 0), (2, 3)),
        act=hang_up("agent", State.TALKING),
    ),
    # The agent's phone.
    "agent busy": Case("11", "32", Reason.BUSY, AGENT, Row(BUSY, AGENT, 17)),
    "agent rings out": Case("12", "32", Reason.NO_ANSWER, SYSTEM, Row(NO_ANSWER, SYSTEM, 19, duration=(9, 9))),
    "agent declines": Case("13", "32", Reason.DECLINED, AGENT, Row(NO_ANSWER, AGENT, 21, duration=(2, 2))),
    "agent unallocated": Case("14", "32", Reason.WRONG_NUMBER, AGENT, Row(FAILED, AGENT, 1, duration=(4, 5))),
    "agent out of range": Case("18", "32", Reason.UNREACHABLE, AGENT, Row(NO_ANSWER, AGENT, 19, duration=(7, 8))),
    "agent's network congested": Case("19", "32", Reason.NO_CHANNEL, AGENT, Row(CONGESTION, AGENT, 34)),
    "agent's network silent": Case("20", "32", Reason.NO_ANSWER, SYSTEM, Row(NO_ANSWER, SYSTEM, 19, duration=(9, 9))),
    # The acceptance key.
    "1 pressed": Case(
        "21", "31", Reason.COMPLETED, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (7, 8), (8, 10)), Row(ANSWERED, CUSTOMER, 16, (4, 5), (5, 7)), PRESS1,
    ),
    "2 pressed, then 1": Case(
        "22", "31", Reason.COMPLETED, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (9, 11), (10, 12)), Row(ANSWERED, CUSTOMER, 16, (4, 5), (5, 7)), PRESS1,
    ),
    "no key pressed": Case(
        "23", "32", Reason.NO_DIGIT, SYSTEM, Row(ANSWERED, SYSTEM, 16, (5, 5), (6, 6)), acceptance=PRESS1
    ),
    "agent's voicemail": Case(
        "15", "32", Reason.NO_DIGIT, SYSTEM, Row(ANSWERED, SYSTEM, 16, (5, 5), (7, 7)), acceptance=PRESS1
    ),
    "agent hangs up before the key": Case(
        "16", "32", Reason.NO_DIGIT, AGENT, Row(ANSWERED, AGENT, 16, (0, 0), (1, 1)), acceptance=PRESS1
    ),
    # The customer's phone.
    "customer busy": Case(
        "33", "11", Reason.BUSY, CUSTOMER, Row(ANSWERED, CUSTOMER, 16, (0, 1), (0, 1)), Row(BUSY, CUSTOMER, 17)
    ),
    "customer rings out": Case(
        "33", "12", Reason.NO_ANSWER, SYSTEM,
        Row(ANSWERED, SYSTEM, 16, (9, 9), (9, 9)), Row(NO_ANSWER, SYSTEM, 19, duration=(9, 9)),
    ),
    "customer declines": Case(
        "33", "13", Reason.DECLINED, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (2, 2), (2, 2)), Row(NO_ANSWER, CUSTOMER, 21, duration=(2, 2)),
    ),
    "customer unallocated": Case(
        "33", "14", Reason.WRONG_NUMBER, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (4, 5), (4, 5)), Row(FAILED, CUSTOMER, 1, duration=(4, 5)),
    ),
    "customer out of range": Case(
        "33", "18", Reason.UNREACHABLE, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (7, 8), (7, 8)), Row(NO_ANSWER, CUSTOMER, 19, duration=(7, 8)),
    ),
    "customer congested": Case(
        "33", "19", Reason.NO_CHANNEL, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (0, 1), (0, 1)), Row(CONGESTION, CUSTOMER, 34),
    ),
    "customer's network silent": Case(
        "33", "20", Reason.NO_ANSWER, SYSTEM,
        Row(ANSWERED, SYSTEM, 16, (9, 9), (9, 9)), Row(NO_ANSWER, SYSTEM, 19, duration=(9, 9)),
    ),
    "agent hangs up while the customer rings": Case(
        "33", "12", Reason.CANCELLED, AGENT,
        Row(ANSWERED, AGENT, 16, (0, 2), (0, 2)), Row(CANCEL, AGENT, 16, duration=(0, 2)),
        act=hang_up("agent", State.RINGING_CUSTOMER),
    ),
    # Cut on request.
    "owner cancels ringing": Case(
        "12", "32", Reason.CANCELLED, AGENT, Row(CANCEL, AGENT, 16), act=cancel(State.RINGING_AGENT, AGENT)
    ),
    "owner cancels before the key": Case(
        "23", "32", Reason.CANCELLED, AGENT, Row(ANSWERED, AGENT, 16, (0, 0), (1, 1)), None, PRESS1,
        cancel(State.AGENT_ANSWERED, AGENT),
    ),
    "owner cancels while the customer rings": Case(
        "33", "12", Reason.CANCELLED, AGENT, Row(ANSWERED, AGENT, 16), Row(CANCEL, AGENT, 16),
        act=cancel(State.RINGING_CUSTOMER, AGENT),
    ),
    "admin cuts ringing": Case(
        "12", "32", Reason.CANCELLED, ADMIN, Row(CANCEL, ADMIN, 16), act=cancel(State.RINGING_AGENT, ADMIN)
    ),
    "admin cuts before the key": Case(
        "23", "32", Reason.CANCELLED, ADMIN, Row(ANSWERED, ADMIN, 16, (0, 0), (1, 1)), None, PRESS1,
        cancel(State.AGENT_ANSWERED, ADMIN),
    ),
    "admin cuts while the customer rings": Case(
        "33", "12", Reason.CANCELLED, ADMIN, Row(ANSWERED, ADMIN, 16), Row(CANCEL, ADMIN, 16),
        act=cancel(State.RINGING_CUSTOMER, ADMIN),
    ),
    "admin cuts talking": Case(
        "33", "32", Reason.COMPLETED, ADMIN, Row(ANSWERED, ADMIN, 16), Row(ANSWERED, ADMIN, 16),
        act=cancel(State.TALKING, ADMIN),
    ),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def outcomes(office: Office) -> AsyncIterator[dict[str, Ended | BaseException]]:
    """Every case, carried out at the same time."""

    async def carry_out(case: Case) -> Ended:
        call = await office.place(case.agent, case.customer, case.acceptance)
        if case.act is not None:
            await case.act(office, call)
        return await office.ended(call, 40)

    done = await asyncio.gather(*map(carry_out, CASES.values()), return_exceptions=True)
    yield dict(zip(CASES, done, strict=True))


@pytest.mark.parametrize("name", CASES)
async def test_a_callback(name: str, outcomes: dict[str, Ended | BaseException]) -> None:
    """State, result, reason, who ended it, and one row a dialled leg."""
    case, ended = CASES[name], outcomes[name]
    if isinstance(ended, BaseException):
        raise ended
    call = ended.callback
    result = Result.AGENT_ANSWERED if case.customer_row else Result.AGENT_NOT_ANSWERED
    assert (call.state, call.result, call.reason, call.ended_by) == (State.ENDED, result, case.reason, case.ended_by)
    for row, expected in ((ended.agent, case.agent_row), (ended.customer, case.customer_row)):
        check_row(row, expected)
    for row, shown, dialled in (
        (ended.agent, call.caller_id, call.agent_number),
        (ended.customer, call.customer_caller_id, call.customer_number),
    ):
        assert row is None or (row.src, row.caller_id, row.dst) == (shown, shown, dialled)


async def test_nothing_is_left(office: Office, exchange: Exchange, outcomes: dict[str, Ended | BaseException]) -> None:
    """No channel, no bridge, no listener, no reservation."""
    await eventually(office.at_rest)
    assert await office.services.callbacks.reserved_channels() == 0


async def test_a_call_cancelled_at_once_has_a_row_only_if_it_was_dialled(office: Office) -> None:
    """The order comes before, while or after the switch is asked."""
    calls = await asyncio.gather(*(office.place("12", "32") for _ in range(5)))
    await asyncio.gather(*(office.cancel(call, AGENT) for call in calls))
    for call in calls:
        ended = await office.ended(call)
        assert (ended.callback.reason, ended.callback.ended_by) == (Reason.CANCELLED, AGENT)
        assert ended.customer is None
        seen = office.carrier.calls(call.agent_number)
        if ended.agent is None:
            assert not seen
        else:
            check_row(ended.agent, Row(CANCEL, AGENT, 16))
            assert len(seen) <= 1
    await eventually(office.at_rest)


async def test_an_owner_cannot_cut_a_conversation(office: Office) -> None:
    """A call may be cancelled by its owner until the customer answers."""
    call = await office.place("33", "32")
    await office.reached(call, State.TALKING)
    with pytest.raises(TooLateToCancelError):
        await office.cancel(call, AGENT)
    await office.cancel(call, ADMIN)
    await office.ended(call)
    await office.cancel(call, AGENT)


async def test_an_agent_has_one_call(office: Office) -> None:
    """A second order while the first is up is refused; the next one is taken once it has ended."""
    who = await office.agent("33")
    first = await office.order(who, customer_number("32"))
    with pytest.raises(AgentBusyError):
        await office.order(who, customer_number("32"))
    await office.reached(first, State.TALKING)
    with pytest.raises(AgentBusyError):
        await office.order(who, customer_number("32"))
    await office.cancel(first, ADMIN)
    await office.ended(first)
    second = await office.order(who, customer_number("11"))
    assert (await office.ended(second)).callback.reason is Reason.BUSY


async def test_the_contracted_channels_are_a_limit(
    exchange: Exchange, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Five orders for two callbacks' channels: two run, three are refused, and nothing of those is kept."""
    settings = settings_for(
        exchange.connection, tmp_path_factory.mktemp("small"), channel_limit=5, ari_app="kakehashi-small"
    )
    async with open_office(settings, exchange.carrier) as office:
        orders = await asyncio.gather(*(office.place("33", "32") for _ in range(5)), return_exceptions=True)
        calls = [order for order in orders if isinstance(order, Callback)]
        assert len(calls) == 2
        assert [type(order) for order in orders if not isinstance(order, Callback)] == [CapacityError] * 3
        assert await office.services.callbacks.reserved_channels() == 4
        for call in calls:
            await office.reached(call, State.TALKING)
            await office.cancel(call, ADMIN)
            await office.ended(call)
        assert await office.services.callbacks.reserved_channels() == 0
        again = await office.place("33", "11")
        assert (await office.ended(again)).callback.reason is Reason.BUSY
