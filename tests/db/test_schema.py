"""The schema's life on both databases."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from ari_app.errors import SchemaNewerError
from db import schema
from db.engine import Database, open_database
from db.tables import metadata
from tests.conftest import PostgresCluster


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    postgres: PostgresCluster = request.getfixturevalue("postgres")
    name = f"empty_{tmp_path.name}"[:60].lower()
    yield postgres.create(name)
    postgres.drop(name)


async def tables(database: Database) -> set[str]:
    async with database.read() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    return set(names) - {"alembic_version"}


async def test_up_down_up(empty: str) -> None:
    """Every migration goes both ways, and at the head nothing stands between the tables and the code."""
    async with open_database(empty) as database:
        assert (await schema.differences(database))[0].startswith("schema empty")
        await schema.upgrade(database)
        assert await schema.differences(database) == []
        assert await tables(database) == set(metadata.tables)
        await schema.downgrade(database, "base")
        assert await tables(database) == set()
        await schema.upgrade(database)
        assert await schema.differences(database) == []


async def test_several_processes_upgrade_at_once(empty: str) -> None:
    """Web, telephony and jobs start together."""
    async with open_database(empty) as one, open_database(empty) as two, open_database(empty) as three:
        await one.check()  # SQLite: the file is there, in WAL mode
        await asyncio.gather(*(schema.upgrade(database) for database in (one, two, three)))
        assert await schema.differences(two) == []


async def test_a_database_of_a_newer_version_is_refused_by_name(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaNewerError, match="9999"):
        await schema.upgrade(database)
