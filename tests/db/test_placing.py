"""Orders: two channels each, one call an agent, one call an Idempotency-Key, across every process."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from ari_app.domain.callback import State
from ari_app.domain.ending import Party
from ari_app.errors import AgentBusyError, CapacityError, IdempotencyConflictError, KakehashiError, NotFoundError
from db.accounts import AccountStore
from db.engine import Database, open_database
from db.nodes import NodeStore
from db.tables import callback, idempotency_key
from tests.db.calls import NOON, SCREEN, a_call, add_accounts, end, open_store

LATER = NOON + timedelta(seconds=5)  # whatever waited so long, any node may claim


async def test_an_order_as_it_was_placed(database: Database) -> None:
    """Everything that was known comes back; the shown number is remembered for the account."""
    (who,) = await add_accounts(database)
    call = a_call(who, withheld=True, node="main", customer_caller_id="0355556666")
    call.plan_legs("PJSIP/{number}@trunk")
    async with open_store(database) as store:
        placed = await store.place(call, limit=2)
        assert (placed.callback_id, placed.fresh) == (call.id, True)
        assert await store.get(call.id) == call
        assert await store.open_of(who.id) == call
        assert await store.reserved_channels() == 2
    assert (await AccountStore(database).get(who.id)).last_caller_id == SCREEN


async def test_the_limit_is_never_exceeded(database: Database, database_url: str) -> None:
    """同時通話数 holds for two processes that place at once; whoever is refused leaves nothing."""
    accounts = await add_accounts(database, 12)
    async with open_database(database_url) as other, open_store(database) as one, open_store(other) as two:
        outcomes = await asyncio.gather(
            *((one, two)[number % 2].place(a_call(who, number), limit=7) for number, who in enumerate(accounts)),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, CapacityError)]
        assert len(refused) == 12 - 3, "a callback takes 2 channels: 3 fit into 7"
        assert refused[0].limit == 7
        assert await one.reserved_channels() == 6
        assert len(await one.all_open()) == 3


async def test_channels_come_back(database: Database) -> None:
    one, other = await add_accounts(database, 2)
    async with open_store(database) as store:
        call = a_call(one, 1)
        await store.place(call, limit=2)
        with pytest.raises(CapacityError):
            await store.place(a_call(other, 2), limit=2)
        await store.close(call, end(call))
        assert await store.reserved_channels() == 0
        await store.place(a_call(other, 3), limit=2)


async def test_one_call_an_agent(database: Database, database_url: str) -> None:
    """Two taps, two tabs, two processes: one call."""
    (who,) = await add_accounts(database)
    async with open_database(database_url) as other, open_store(database) as one, open_store(other) as two:
        outcomes = await asyncio.gather(
            *((one, two)[number % 2].place(a_call(who, number), limit=100) for number in range(8)),
            return_exceptions=True,
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AgentBusyError"] * 7 + ["Placed"]
        assert len(await one.all_open()) == 1


async def test_the_same_key_places_once(database: Database, database_url: str) -> None:
    """However often, and wherever, the same key gives the same callback: even while it is going on."""
    (who,) = await add_accounts(database)
    async with open_database(database_url) as other, open_store(database) as one, open_store(other) as two:
        outcomes = await asyncio.gather(
            *(
                (one, two)[number % 2].place(a_call(who, number), limit=2, idempotency=("key", "fingerprint"))
                for number in range(8)
            )
        )
        assert len({placed.callback_id for placed in outcomes}) == 1
        assert sum(placed.fresh for placed in outcomes) == 1
        (call,) = await one.all_open()
        await one.close(call, end(call))
        again = await two.place(a_call(who, 99), limit=2, idempotency=("key", "fingerprint"))
        assert (again.callback_id, again.fresh) == (call.id, False)
        assert await one.all_open() == []


async def test_a_key_for_something_else(database: Database) -> None:
    """The key is the account's own; the same key for another request is an error, not another call."""
    who, other = await add_accounts(database, 2)
    async with open_store(database) as store:
        await store.place(a_call(who, 1), limit=100, idempotency=("key", "one"))
        with pytest.raises(IdempotencyConflictError):
            await store.place(a_call(who, 2), limit=100, idempotency=("key", "two"))
        assert (await store.place(a_call(other, 3), limit=100, idempotency=("key", "two"))).fresh


@pytest.mark.parametrize("error", [CapacityError, AgentBusyError])
async def test_a_refused_order_leaves_nothing(database: Database, error: type[KakehashiError]) -> None:
    """Neither a callback, nor a key, nor a remembered number; the key is still good afterwards."""
    who, other = await add_accounts(database, 2)
    going = a_call(who if error is AgentBusyError else other, 1)
    limit = 100 if error is AgentBusyError else 2
    async with open_store(database) as store:
        await store.place(going, limit=limit)
        with pytest.raises(error):
            await store.place(a_call(who, 2, caller_id="0399990000"), limit=limit, idempotency=("key", "x"))
        async with database.read() as connection:
            assert (await connection.execute(select(idempotency_key))).all() == []
        with pytest.raises(NotFoundError):
            await store.get(a_call(who, 2).id)
        assert (await AccountStore(database).get(who.id)).last_caller_id != "0399990000"
        await store.close(going, end(going))
        assert (await store.place(a_call(who, 2), limit=limit, idempotency=("key", "x"))).fresh


async def test_refused_and_placed_in_one_batch(database: Database) -> None:
    """Orders that are written together are judged one by one."""
    one, two, three = await add_accounts(database, 3)
    async with open_store(database) as store:
        outcomes = await asyncio.gather(
            store.place(a_call(one, 1), limit=4),
            store.place(a_call(one, 2), limit=4),
            store.place(a_call(two, 3), limit=4, idempotency=("k", "f")),
            store.place(a_call(two, 4), limit=4, idempotency=("k", "f")),
            store.place(a_call(three, 5), limit=4),
            return_exceptions=True,
        )
        told = [type(outcome).__name__ for outcome in outcomes]
        assert told == ["Placed", "AgentBusyError", "Placed", "Placed", "CapacityError"]


async def test_each_order_goes_to_one_node(database: Database, database_url: str) -> None:
    """Orders placed where no telephony runs are claimed by whichever node comes first, oldest first."""
    accounts = await add_accounts(database, 6)
    async with open_database(database_url) as other, open_store(database) as one, open_store(other) as two:
        for number, who in enumerate(accounts):
            await one.place(a_call(who, number), limit=100)
        claims = await asyncio.gather(*(store.claim(node, 2, LATER) for node in "abc" for store in (one, two)))
        ids = [call.id for claim in claims for call in claim]
        assert len(ids) == len(set(ids))
        rest = await one.claim("d", 50, LATER)
        assert sorted(ids + [call.id for call in rest]) == [a_call(who, n).id for n, who in enumerate(accounts)]
        assert await two.claim("e", 50, LATER) == []
        assert {call.node for call in await one.all_open()} <= set("abcd")
        assert [call.id for call in await one.open_calls("d")] == [call.id for call in rest]


async def test_only_what_nobody_began_is_claimed(database: Database) -> None:
    first, second, third = await add_accounts(database, 3)
    async with open_store(database) as store:
        await store.place(a_call(first, 1, node="main"), limit=100)
        ended = a_call(second, 2)
        await store.place(ended, limit=100)
        await store.close(ended, end(ended))
        await store.place(a_call(third, 3), limit=100)
        assert [call.id for call in await store.claim("other", 10, LATER)] == [a_call(third, 3).id]


async def test_cut_requests(database: Database) -> None:
    """Word for the node that has the call: the first one counts, an administrator's always, none for an ended call."""
    first, second = await add_accounts(database, 2)
    async with open_store(database) as store:
        call, done = a_call(first, 1, node="main"), a_call(second, 2, node="main")
        for each in call, done:
            await store.place(each, limit=100)
        await store.close(done, end(done))
        for id_ in call.id, done.id:
            await store.request_cut(id_, Party.AGENT)
            await store.request_cut(id_, Party.ADMIN)
            await store.request_cut(id_, Party.AGENT)
        assert await store.cut_requests("main") == [(call.id, Party.ADMIN)]
        assert await store.cut_requests("other") == []
        call.ring_agent(call.created_at)
        await store.save(call)
        assert await store.cut_requests("main") == [(call.id, Party.ADMIN)], "a save does not forget it"
        await store.close(call, end(call))
        assert await store.cut_requests("main") == []


async def test_a_deleted_account_is_no_other_orders_fault(database: Database) -> None:
    """An order that cannot be written (its account is gone) does not take its neighbours with it."""
    (who,) = await add_accounts(database)
    nobody = replace(who, id=999)
    async with open_store(database) as store:
        outcomes = await asyncio.gather(
            store.place(a_call(nobody, 1), limit=100), store.place(a_call(who, 2), limit=100), return_exceptions=True
        )
        assert isinstance(outcomes[0], Exception)
        assert (await store.get(a_call(who, 2).id)).state is State.ACCEPTED
        assert await store.reserved_channels() == 2


async def test_last_caller_id_follows_the_latest_order(database: Database) -> None:
    (who,) = await add_accounts(database)
    async with open_store(database) as store:
        for number, tel in enumerate(["0311110000", "0322220000"]):
            call = a_call(who, number, caller_id=tel)
            await store.place(call, limit=2)
            await store.close(call, end(call))
    assert (await AccountStore(database).get(who.id)).last_caller_id == "0322220000"
    async with database.read() as connection:
        assert len((await connection.execute(select(callback.c.id))).all()) == 2


# Several nodes


async def ready(database: Database, *names: str) -> None:
    for name in names:
        await NodeStore(database).beat(name, ready=True, now=NOON)


async def test_nodes_are_kept_level(database: Database) -> None:
    """The node with fewer calls takes the next ones; nobody takes more than keeps them level."""
    await ready(database, "a", "b", "c")
    accounts = await add_accounts(database, 12)
    async with open_store(database) as store:
        for number in range(4):
            await store.place(a_call(accounts[number], number, node="a"), limit=100)
        for number in range(4, 9):
            await store.place(a_call(accounts[number], number), limit=100)
        took = {node: len(await store.claim(node, 50, NOON)) for node in "abc"}
        assert took == {"a": 0, "b": 3, "c": 2}, "4, 3 and 2 calls"
        assert await store.claim("a", 50, NOON) == []


async def test_what_waits_is_taken_by_anybody(database: Database) -> None:
    """The node whose turn it is may hang: a second later its turn is over."""
    await ready(database, "a", "hangs")
    first, second = await add_accounts(database, 2)
    async with open_store(database) as store:
        await store.place(a_call(first, 1, node="a"), limit=100)
        await store.place(a_call(second, 2), limit=100)
        assert await store.claim("a", 50, NOON) == []
        assert len(await store.claim("a", 50, NOON + timedelta(seconds=1))) == 1


async def test_a_node_that_is_away_does_not_count(database: Database) -> None:
    await ready(database, "away")
    await NodeStore(database).leave("away")
    await ready(database, "a")
    accounts = await add_accounts(database, 4)
    async with open_store(database) as store:
        for number, who in enumerate(accounts):
            await store.place(a_call(who, number), limit=100)
        assert len(await store.claim("a", 50, NOON)) == 4


async def test_handed_back(database: Database) -> None:
    """Only what was not begun, and for which somebody still waits at the phone; and then it is the other node's."""
    accounts = await add_accounts(database, 3)
    async with open_store(database) as store:
        begun, old, fresh = (a_call(who, number, node="dead") for number, who in enumerate(accounts))
        old.created_at -= timedelta(minutes=1)
        for call in begun, old, fresh:
            await store.place(call, limit=100)
        begun.ring_agent(NOON)
        await store.save(begun)
        await store.hand_back("dead", NOON - timedelta(seconds=30))
        (taken,) = await store.claim("b", 50, LATER)
        assert (taken.id, taken.node) == (fresh.id, "b")
        fresh.ring_agent(NOON)
        await store.save(fresh)
        assert (await store.get(fresh.id)).state is State.ACCEPTED, "not the dead node's to change any more"
        await store.close(fresh, [])
        assert await store.open_of(accounts[2].id) == taken
        assert await store.reserved_channels() == 6, "nor to give its channels away"
        await store.close(taken, end(taken))
        assert await store.reserved_channels() == 4
