"""Returned calls in the database: who is to be rung, what is reserved, what is written once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from ari_app.domain.account import Account
from ari_app.domain.callback import Acceptance
from ari_app.domain.cdr import rows_of
from ari_app.domain.ending import CAUSE_NORMAL, LegEnd, Party, Reason
from ari_app.domain.permissions import Reach
from ari_app.domain.returned_call import ReturnedCall
from ari_app.errors import AgentBusyError
from db.accounts import AccountStore
from db.callbacks import CallbackStore
from db.cdrs import CdrSearch, CdrStore
from db.engine import Database
from db.numbers import NumberStore
from db.reach import RowReach
from db.returned_calls import ReturnedCallStore

from .calls import NOON, SCREEN, a_call, add_accounts, open_store

CUSTOMER = "08022220002"
SECOND = timedelta(seconds=1)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[ReturnedCallStore]:
    """The store, writing; the company owns the number and has a call center with nobody in it."""
    await NumberStore(database).add(SCREEN, SCREEN, NOON)
    opened = ReturnedCallStore(database)
    async with opened.running():
        yield opened


async def test_who_called_last_comes_first_then_the_call_center(database: Database, store: ReturnedCallStore) -> None:
    first, last, other, shown_another, withheld = await add_accounts(database, 5)
    async with open_store(database) as callbacks:
        await _has_called(callbacks, first, 1)
        await _has_called(callbacks, last, 2)
        await _has_called(callbacks, first, 3, customer_number="0311112222")
        await _has_called(callbacks, shown_another, 4, customer_caller_id="0398765432")
        await _has_called(callbacks, withheld, 5, withheld=True)
    assert await _logins(store) == [last.login, first.login]
    await NumberStore(database).add_call_center("窓口", [SCREEN], [other.login, last.login], NOON)
    assert await _logins(store) == [last.login, first.login, other.login]
    assert await _logins(store, caller="") == [last.login, other.login]
    assert await _logins(store, caller=SCREEN) == []


@pytest.mark.parametrize(
    "change", [{"agent": False}, {"device": "extension"}, {"device_number": SCREEN}, {"disabled_at": NOON}]
)
async def test_who_cannot_be_rung_is_passed_over(
    database: Database, store: ReturnedCallStore, change: dict[str, Any]
) -> None:
    (who,) = await add_accounts(database)
    async with open_store(database) as callbacks:
        await _has_called(callbacks, who, 1)
    assert await _logins(store) == [who.login]
    await AccountStore(database).set(who.login, change)
    assert await _logins(store) == []


async def test_two_calls_at_once_ring_two_agents(database: Database, store: ReturnedCallStore) -> None:
    agents = await add_accounts(database, 2)
    calls = [_returned(number) for number in range(3)]
    await asyncio.gather(*(_begin(store, call, agents) for call in calls))
    assert {call.account_id for call in calls} == {agents[0].id, agents[1].id, None}
    async with open_store(database) as callbacks:
        assert await callbacks.reserved_channels() == 5  # the notice takes the one that is there
        with pytest.raises(AgentBusyError):
            await callbacks.place(a_call(agents[0], 9), limit=100)


async def test_an_agent_on_a_callback_is_not_free(database: Database, store: ReturnedCallStore) -> None:
    busy, free = await add_accounts(database, 2)
    async with open_store(database) as callbacks:
        await callbacks.place(a_call(busy, 1), limit=100)
        call = _returned(2)
        await _begin(store, call, [busy, free])
    assert call.account_id == free.id


@pytest.mark.parametrize(("limit", "held"), [(2, 2), (1, 1), (0, 0)])
async def test_at_the_limit_nobody_is_rung(database: Database, store: ReturnedCallStore, limit: int, held: int) -> None:
    (who,) = await add_accounts(database)
    call = _returned(1)
    await _begin(store, call, [who], limit)
    assert (call.account_id is None, call.reason) == ((False, None) if limit == 2 else (True, Reason.NO_CHANNEL))
    async with open_store(database) as callbacks:
        assert await callbacks.reserved_channels() == held


async def test_the_end_is_written_once(database: Database, store: ReturnedCallStore) -> None:
    (who, stranger) = await add_accounts(database, 2)
    call = _returned(1)
    await _begin(store, call, [who])
    (found,) = await store.open_calls("main")
    assert found == call
    agent, _ = call.legs
    agent.dial(NOON)
    end = LegEnd(Reason.COMPLETED, Party.CUSTOMER, CAUSE_NORMAL, "Normal Clearing")
    for leg in call.legs:
        leg.answer(NOON + SECOND)
        leg.finish(NOON + 9 * SECOND, end)
    call.talking_at = NOON + SECOND
    call.finish(NOON + 9 * SECOND, end)
    rows = rows_of(call.id, call.legs, accountcode=call.login, node="main")
    await store.close(call, rows)
    await store.close(call, rows)
    assert await store.open_calls("main") == []
    assert (await store.latest(9))[0] == call
    cdrs = CdrStore(database)
    assert (await cdrs.of_calls([call.id]))[call.id] == rows
    assert [(row.leg, row.src, row.dst) for row in rows] == [
        (1, SCREEN, who.device_number),
        (2, CUSTOMER, SCREEN),
    ]
    own = await cdrs.search(CdrSearch(), RowReach(Reach.OWN, who.id), limit=9)
    others = await cdrs.search(CdrSearch(), RowReach(Reach.OWN, stranger.id), limit=9)
    assert (len(own.items), len(others.items)) == (2, 0)
    async with open_store(database) as callbacks:
        assert await callbacks.reserved_channels() == 0


def _returned(number: int) -> ReturnedCall:
    call = ReturnedCall(f"{number:032x}", CUSTOMER, SCREEN, NOON, "main")
    call.came_in(f"1700000000.{number}", f"PJSIP/trunk-{number:08x}")
    return call


async def _begin(store: ReturnedCallStore, call: ReturnedCall, agents: list[Account], limit: int = 100) -> None:
    await store.begin(
        call, agents, lambda agent: call.assign(agent, Acceptance.NONE, "PJSIP/{number}@trunk"), limit=limit
    )


async def _has_called(callbacks: CallbackStore, who: Account, number: int, **facts: Any) -> None:
    call = a_call(who, number, created_at=NOON + number * SECOND, **facts)
    await callbacks.place(call, limit=100)
    call.ring_agent(call.created_at)
    call.agent_answered(call.created_at)
    call.ring_customer(call.created_at)
    call.finish(call.created_at, Reason.NO_ANSWER, Party.SYSTEM)
    await callbacks.close(call, [])


async def _logins(store: ReturnedCallStore, caller: str = CUSTOMER) -> list[str]:
    return [account.login for account in await store.candidates(SCREEN, caller)]
