"""Word between processes on PostgreSQL: what one does, the others tell and look at, at once; a gap is made good."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from ari_app.bus import LocalBus
from ari_app.domain.callback import State
from ari_app.domain.ending import Party
from ari_app.ports import Event
from db.callbacks import CallbackStore
from db.engine import Database, open_database
from db.relay import Relay
from tests.conftest import PostgresCluster
from tests.db.calls import NOON, a_call, add_accounts, end


class Process:
    """One process of the installation: its store, what its bus was told, whether it was made to look."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = CallbackStore(database)
        self.bus = LocalBus()
        self.looked = asyncio.Event()
        self.events: AsyncIterator[Event]

    async def told(self) -> tuple[str, str]:
        """The next event: name, call id."""
        async with asyncio.timeout(2):
            event = await anext(self.events)
        return event.name, event.callback.id

    async def silent(self) -> bool:
        """Whether nothing more is told."""
        try:
            async with asyncio.timeout(0.2):
                await anext(self.events)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def process(url: str, *, watched: bool = True) -> AsyncIterator[Process]:
    async with open_database(url) as database:
        one = Process(database)
        async with one.store.running(), one.bus.subscribe() as events:
            one.events = events
            if not watched:
                one.bus._watchers.clear()
            async with Relay(one.store, one.bus, one.looked.set).running(database):
                one.looked.clear()
                yield one


async def test_every_step_is_told_elsewhere(postgres_url: str) -> None:
    async with process(postgres_url) as one, process(postgres_url) as two:
        (who,) = await add_accounts(one.database)
        call = a_call(who, node="main")
        await one.store.place(call, limit=2)
        assert await two.told() == ("call.accepted", call.id)
        call.plan_legs("PJSIP/{number}@trunk")
        call.ring_agent(NOON)
        one.store.note(call)
        assert await two.told() == ("call.ringing_agent", call.id)
        rows = end(call)
        await one.store.close(call, rows)
        assert await two.told() == ("call.ended", call.id)
        assert await one.silent(), "what a process did itself it has told already"
        assert not two.looked.is_set(), "nothing to do for another node"


async def test_orders_and_cuts_make_a_node_look(postgres_url: str) -> None:
    async with process(postgres_url) as web, process(postgres_url) as node:
        (who,) = await add_accounts(web.database)
        call = a_call(who)
        await web.store.place(call, limit=2)
        async with asyncio.timeout(2):
            await node.looked.wait()
        assert [claimed.id for claimed in await node.store.claim("a", 5, NOON)] == [call.id]
        node.looked.clear()
        await web.store.request_cut(call.id, Party.ADMIN)
        async with asyncio.timeout(2):
            await node.looked.wait()
        assert await node.store.cut_requests("a") == [(call.id, Party.ADMIN)]
        assert not web.looked.is_set()


async def test_a_refused_order_is_not_told(postgres_url: str) -> None:
    async with process(postgres_url) as one, process(postgres_url) as two:
        (who,) = await add_accounts(one.database)
        key = ("key", "fingerprint")
        outcomes = await asyncio.gather(
            *(one.store.place(a_call(who, number), limit=2, idempotency=key) for number in range(3)),
            one.store.place(a_call(who, 9), limit=2),
            return_exceptions=True,
        )
        assert sum(getattr(outcome, "fresh", False) for outcome in outcomes) == 1
        await two.told()
        assert await two.silent()


async def test_where_nobody_watches_nothing_is_read(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with process(postgres_url) as one, process(postgres_url, watched=False) as node:
        (who,) = await add_accounts(one.database)
        monkeypatch.setattr(node.store, "several", None)
        await one.store.place(a_call(who), limit=2)
        async with asyncio.timeout(2):
            await node.looked.wait()


async def test_many_at_once(postgres_url: str) -> None:
    """A batch of orders is one statement; each is told."""
    async with process(postgres_url) as one, process(postgres_url) as two:
        accounts = await add_accounts(one.database, 60)
        await asyncio.gather(*(one.store.place(a_call(who, n), limit=1000) for n, who in enumerate(accounts)))
        told = {await two.told() for _ in accounts}
        assert told == {("call.accepted", a_call(who, n).id) for n, who in enumerate(accounts)}


async def test_after_a_gap(postgres_url: str, postgres: PostgresCluster) -> None:
    """The session is lost and had again: what is open is told, a node looks, and the next word is heard."""
    async with process(postgres_url) as one, process(postgres_url) as two:
        first, second = await add_accounts(one.database, 2)
        async with two.database.read() as connection:
            await connection.execute(text("SELECT 1"))
        postgres.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{two.database.engine.url.database}' AND pid <> pg_backend_pid()"
        )
        call = a_call(first, 1, node="main")
        async with asyncio.timeout(5):
            while True:  # the pools lost their connections too
                try:
                    await one.store.place(call, limit=100)
                    break
                except Exception:  # noqa: BLE001
                    await asyncio.sleep(0.05)
        assert await two.told() == ("call.accepted", call.id)
        async with asyncio.timeout(5):
            await two.looked.wait()
        other = a_call(second, 2, node="main")
        await one.store.place(other, limit=100)
        seen = set()
        while ("call.accepted", other.id) not in seen:
            seen.add(await two.told())


async def test_sqlite_has_none(sqlite_url: str) -> None:
    async with process(sqlite_url) as one, process(sqlite_url) as two:
        (who,) = await add_accounts(one.database)
        call = a_call(who)
        await one.store.place(call, limit=2)
        await one.store.request_cut(call.id, Party.AGENT)
        assert await two.silent()
        assert (await two.store.get(call.id)).state is State.ACCEPTED
