"""The group writer: durable in order, whatever one order, one caller or the database does."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from ari_app.domain.account import Account
from ari_app.domain.callback import Callback, State
from ari_app.domain.ending import Disposition
from ari_app.errors import DatabaseUnavailableError
from db.callbacks import CallbackStore
from db.engine import Database, open_database
from db.tables import cdr, metadata
from db.writer import GroupWriter
from tests.conftest import PostgresCluster
from tests.db.calls import NOON, a_call, add_accounts, end, open_store


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that tries again soon."""
    monkeypatch.setattr("db.writer.RETRY_FIRST_S", 0.005)
    monkeypatch.setattr("db.writer.RETRY_MOST_S", 0.02)


@pytest.fixture
async def who(database: Database) -> Account:
    """An agent."""
    (account,) = await add_accounts(database)
    return account


async def placed(store: CallbackStore, who: Account, number: int = 1) -> Callback:
    call = a_call(who, number, node="main")
    await store.place(call, limit=100)
    return call


async def rows(database: Database) -> list[tuple[str, int, Disposition]]:
    query = select(cdr.c.call_id, cdr.c.leg, cdr.c.disposition).order_by(cdr.c.call_id, cdr.c.leg)
    async with database.read() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def test_a_call_through_its_states(database: Database, who: Account) -> None:
    """What is saved is what comes back, legs and their times included; the close writes both rows."""
    async with open_store(database) as store:
        call = await placed(store, who)
        call.plan_legs("PJSIP/{number}@trunk")
        call.ring_agent(NOON)
        await store.save(call)
        assert await store.get(call.id) == call
        call.agent_answered(NOON)
        call.legs[0].answer(NOON)
        store.note(call)
        call.ring_customer(NOON)
        await store.save(call)
        assert await store.get(call.id) == call
        written = end(call)
        await store.close(call, written)
        assert await store.get(call.id) == call
    assert await rows(database) == [(call.id, 1, "ANSWERED"), (call.id, 2, "ANSWERED")]


async def test_a_noted_state_is_durable_in_a_moment(database: Database, who: Account) -> None:
    """Nobody waits for it, and nobody has to write something else first."""
    async with open_store(database) as store:
        call = await placed(store, who)
        call.ring_agent(NOON)
        store.note(call)
        async with asyncio.timeout(2):
            while (await store.get(call.id)).state is not State.RINGING_AGENT:
                await asyncio.sleep(0.005)


async def test_what_was_noted_last_is_written_before_the_end(database: Database, who: Account) -> None:
    """Stopping writes what is left, such as the state of a conversation that is left up."""
    async with open_store(database) as store:
        call = await placed(store, who)
        call.ring_agent(NOON)
        store.note(call)
    assert (await CallbackStore(database).get(call.id)).state is State.RINGING_AGENT


async def test_values_are_taken_when_ordered(database: Database, who: Account) -> None:
    """The call goes on while its state waits to be written."""
    async with open_store(database) as store:
        call = await placed(store, who)
        call.ring_agent(NOON)
        saving = asyncio.ensure_future(store.save(call))
        await asyncio.sleep(0)
        before = replace(call)
        call.agent_answered(NOON)
        await saving
        assert (await store.get(call.id)).state is before.state


async def test_a_save_after_the_close_is_ignored(database: Database, who: Account) -> None:
    """A late state must not open an ended call again, in a batch of its own or in the close's."""
    async with open_store(database) as store:
        call = await placed(store, who)
        call.ring_agent(NOON)
        late = replace(call)
        written = end(call)
        await asyncio.gather(store.close(call, written), store.save(late))
        await store.save(late)
        store.note(late)
        assert (await store.get(call.id)).state is State.ENDED
        assert await store.open_of(who.id) is None
    assert (await CallbackStore(database).get(call.id)).state is State.ENDED


async def test_closed_twice(database: Database, who: Account) -> None:
    """One row a leg, the first end stands, and the second close gives nothing back that is not its own."""
    async with open_store(database) as store:
        call = await placed(store, who)
        written = end(call)
        await asyncio.gather(store.close(call, written), store.close(call, written))
        other = await placed(store, who, 2)
        again = replace(call, ended_at=NOON.replace(hour=9))
        await store.close(again, [replace(row, duration=999) for row in written])
        assert (await store.get(call.id)).ended_at == call.ended_at
        assert await store.reserved_channels() == 2
        assert (await store.open_of(who.id)) == other
    assert len(await rows(database)) == 2


async def test_one_wrong_order_does_not_take_the_others(database: Database, who: Account) -> None:
    """A row that the database refuses fails alone; its neighbours in the batch are written."""
    async with open_store(database) as store:
        wrong, right = await placed(store, who), a_call(who, 2)
        (other,) = await add_accounts(database)
        right = a_call(other, 2)
        await store.place(right, limit=100)
        bad = [replace(row, cause=None) for row in end(wrong)]  # type: ignore[arg-type]
        outcomes = await asyncio.gather(store.close(wrong, bad), store.close(right, end(right)), return_exceptions=True)
        assert isinstance(outcomes[0], Exception)
        assert outcomes[1] is None
        await store.place(a_call(other, 3), limit=100)
    assert {call_id for call_id, *_ in await rows(database)} == {right.id}


class PoisonError(Exception):
    """A defect of ours, not the database's."""


async def test_the_writer_outlives_any_defect(database: Database) -> None:
    """Were it to die of one order, every call after it would wait for ever."""

    def apply(connection: Connection, orders: list[str]) -> list[Any]:
        if "poison" in orders:
            raise PoisonError
        return list(orders)

    writer: GroupWriter[str] = GroupWriter(database, apply, keep=lambda order: True)  # type: ignore[arg-type]
    async with writer.running():
        writer.write_later("poison")
        outcomes = await asyncio.gather(
            *(writer.write(order) for order in ("a", "poison", "b")), return_exceptions=True
        )
        assert outcomes[0] == "a"
        assert isinstance(outcomes[1], PoisonError)
        assert outcomes[2] == "b"
        assert await writer.write("c") == "c"


async def test_what_a_cancelled_caller_ordered_is_written(database: Database, who: Account) -> None:
    """A leg that ends while its state is being saved ends the waiting, not the writing."""
    async with open_store(database) as store:
        call = await placed(store, who)
        call.ring_agent(NOON)
        saving = asyncio.create_task(store.save(call))
        await asyncio.sleep(0)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
    assert (await CallbackStore(database).get(call.id)).state is State.RINGING_AGENT


# The database goes away


class Away:
    """Stands in for a database that is not there."""

    def __init__(self, database: Database) -> None:
        self.gone = False
        self.attempts = 0
        self._write_with = database.write_with
        database.write_with = self.write_with  # type: ignore[method-assign]

    async def write_with(self, work: Any) -> Any:
        self.attempts += 1
        if self.gone:
            raise DatabaseUnavailableError
        return await self._write_with(work)


async def test_kept_and_refused(database: Database, who: Account) -> None:
    """While it is away, an order is refused at once; states and ends wait, in order, and are written afterwards."""
    away = Away(database)
    async with open_store(database) as store:
        call = await placed(store, who)
        away.gone = True
        call.ring_agent(NOON)
        store.note(call)
        saving = asyncio.create_task(store.save(call))
        closing = asyncio.create_task(store.close(replace(call), end(call)))
        for number in range(2):
            with pytest.raises(DatabaseUnavailableError):
                async with asyncio.timeout(2):
                    await store.place(a_call(who, 10 + number), limit=100)
        seen = away.attempts
        while away.attempts < seen + 3:
            await asyncio.sleep(0.001)
        assert not saving.done()
        assert not closing.done()
        away.gone = False
        await asyncio.gather(saving, closing)
        assert await store.reserved_channels() == 0
    assert len(await rows(database)) == 2


async def test_a_cancelled_save_survives_the_absence(database: Database, who: Account) -> None:
    """The state of a conversation that is left up at a shutdown must reach the next start."""
    away = Away(database)
    async with open_store(database) as store:
        call = await placed(store, who)
        away.gone = True
        call.ring_agent(NOON)
        saving = asyncio.create_task(store.save(call))
        seen = away.attempts
        while away.attempts < seen + 2:
            await asyncio.sleep(0.001)
        saving.cancel()
        while away.attempts < seen + 4:
            await asyncio.sleep(0.001)
        away.gone = False
    assert (await CallbackStore(database).get(call.id)).state is State.RINGING_AGENT


async def test_a_locked_sqlite_file(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that holds the file for long is as good as an absent database."""
    monkeypatch.setattr("db.engine.BUSY_TIMEOUT_MS", 10)
    async with open_database(sqlite_url) as database, open_store(database) as store:
        (who,) = await add_accounts(database)
        call = await placed(store, who)
        blocker = sqlite3.connect(tmp_path / "kakehashi.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailableError):
            await store.place(a_call(who, 2), limit=100)
        closing = asyncio.create_task(store.close(call, end(call)))
        await asyncio.sleep(0)
        blocker.execute("ROLLBACK")
        blocker.close()
        await closing
        assert await store.reserved_channels() == 0


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    """A PostgreSQL that a test may stop."""
    with tempfile.TemporaryDirectory(prefix="kakehashi-pg-", ignore_cleanup_errors=True) as directory:
        cluster = PostgresCluster(Path(directory))
        cluster.start()
        yield cluster
        cluster.stop()


@pytest.fixture
async def own_database(own_server: PostgresCluster) -> AsyncIterator[Database]:
    async with open_database(own_server.create("restarted")) as database:
        async with database.write() as connection:
            await connection.run_sync(metadata.create_all)
        yield database


async def test_postgresql_restarts(own_database: Database, own_server: PostgresCluster) -> None:
    """What ends while the server is down, going down or coming up is written once it is there.

    A server that is starting refuses connections with SQLSTATE 57P03, which is no OperationalError to asyncpg.
    """
    async with open_store(own_database) as store:
        (who,) = await add_accounts(own_database)
        call = await placed(store, who)
        own_server.sql("CHECKPOINT")  # it runs without fsync, and is stopped the hard way
        await asyncio.to_thread(own_server.stop)
        with pytest.raises(DatabaseUnavailableError):
            await store.place(a_call(who, 2), limit=100)
        closing = asyncio.create_task(store.close(call, end(call)))
        await asyncio.to_thread(own_server.restart)
        await closing
        assert await store.reserved_channels() == 0
    assert len(await rows(own_database)) == 2


async def test_a_database_closed_to_us(database: Database, postgres: PostgresCluster) -> None:
    """Every refusal at the door counts as absence: nothing that was to be kept is lost by it."""
    if database.sqlite:
        pytest.skip("has no door")
    name = database.engine.url.database
    (who,) = await add_accounts(database)
    async with open_store(database) as store:
        call = await placed(store, who)
        postgres.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        with pytest.raises(DatabaseUnavailableError):
            await store.place(a_call(who, 2), limit=100)
        closing = asyncio.create_task(store.close(call, end(call)))
        postgres.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await closing
        assert await store.reserved_channels() == 0
