"""A node's name belongs to one living process: on SQLite by a locked file, on PostgreSQL by a lock of its session."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from ari_app.errors import NodeTakenError
from db import leases
from db.engine import Database, open_database
from db.nodes import NodeStore
from tests.conftest import PostgresCluster

HOLD = """
import asyncio, sys
from db.engine import open_database
from db.nodes import NodeStore
async def hold():
    async with open_database(sys.argv[1]) as database, NodeStore(database).held("a", lambda: None):
        print("held", flush=True)
        await asyncio.sleep(60)
asyncio.run(hold())
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse soon, and try again soon."""
    monkeypatch.setattr(leases, "WAIT_S", 0.2)
    monkeypatch.setattr("db.session.RETRY_S", 0.05)


@pytest.fixture
async def nodes(database: Database) -> NodeStore:
    return NodeStore(database)


@pytest.fixture
async def others(database_url: str) -> AsyncIterator[NodeStore]:
    """The nodes as another process sees them."""
    async with open_database(database_url) as database:
        yield NodeStore(database)


def never() -> None:
    raise AssertionError("lost")


async def test_one_process_a_name(nodes: NodeStore, others: NodeStore) -> None:
    async with nodes.held("a", never), others.held("b/2", never):
        with pytest.raises(NodeTakenError) as refused:
            async with others.held("a", never):
                pytest.fail("two processes are node a")
        assert refused.value.node == "a"
        async with others.vacant("a") as vacant:
            assert not vacant
        async with nodes.vacant("c") as vacant:
            assert vacant
            async with others.vacant("c") as twice:
                assert not twice, "one looks after a dead node's calls"
            with pytest.raises(NodeTakenError):
                async with others.held("c", never):
                    pytest.fail("it came back in the middle")
    async with others.held("a", never), nodes.vacant("b/2") as vacant:
        assert vacant


async def test_a_killed_process_leaves_its_name_at_once(
    nodes: NodeStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "WAIT_S", 2)
    first = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, database_url, stdout=asyncio.subprocess.PIPE
    )
    assert first.stdout is not None
    assert await first.stdout.readline() == b"held\n"
    async with nodes.vacant("a") as vacant:
        assert not vacant
    first.send_signal(signal.SIGKILL)
    await first.wait()
    async with asyncio.timeout(2), nodes.held("a", never):
        pass


def end_sessions(database: Database, postgres: PostgresCluster) -> None:
    name = database.engine.url.database
    postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


async def test_a_lost_session_takes_the_name_again(postgres_url: str, postgres: PostgresCluster) -> None:
    async with (
        open_database(postgres_url) as database,
        open_database(postgres_url) as other,
        NodeStore(database).held("a", never),
    ):
        end_sessions(database, postgres)
        async with asyncio.timeout(5):
            while await vacant(other):
                await asyncio.sleep(0.02)


async def test_a_session_that_only_the_server_believes_in(postgres_url: str) -> None:
    """Ours, lost without a word: it must not keep us from our own name."""
    async with open_database(postgres_url) as database, database.engine.connect() as stale:
        await leases._take(stale, "a", "kakehashi-1")
        async with database.engine.connect() as fresh:
            async with asyncio.timeout(2):
                await leases._take(fresh, "a", "kakehashi-1")
            await fresh.invalidate()
        await stale.invalidate()


async def test_the_name_was_taken_meanwhile(
    postgres_url: str, postgres: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first had no database a second one started: the first must end."""
    lost = asyncio.Event()
    monkeypatch.setattr("db.session.RETRY_S", 0.5)
    async with (
        open_database(postgres_url) as database,
        open_database(postgres_url) as other,
        NodeStore(database).held("a", lost.set),
    ):
        end_sessions(database, postgres)
        async with NodeStore(other).held("a", never), asyncio.timeout(5):
            await lost.wait()


async def vacant(database: Database) -> bool:
    async with database.read() as connection:
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        return not await connection.scalar(text(locks))
