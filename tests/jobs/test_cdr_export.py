"""The operator's own `cdr` table gets each row once, in the columns it has, across outages of either side."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, text

from ari_app.config import load_settings
from ari_app.domain.account import Account
from ari_app.domain.cdr import CdrRow
from ari_app.errors import CdrExportError, ConfigurationError, DatabaseUnavailableError
from ari_app.jobs.cdr_export import CdrExport
from ari_app.jobs.rounds import every
from db.cdrs import CdrStore
from db.engine import Database, open_database
from db.foreign_cdr import ForeignCdr
from db.job_positions import JobPositions
from db.tables import cdr
from tests.conftest import PostgresCluster
from tests.db.calls import a_call, add_accounts, end

TOKYO = ZoneInfo("Asia/Tokyo")
# As Asterisk's documentation creates it for cdr_pgsql, `uniqueid` as wide as its own migrations make it.
USUAL = """CREATE TABLE cdr (
    calldate timestamp NOT NULL, clid varchar(80) NOT NULL, src varchar(80) NOT NULL, dst varchar(80) NOT NULL,
    dcontext varchar(80) NOT NULL, channel varchar(80) NOT NULL, dstchannel varchar(80) NOT NULL,
    lastapp varchar(80) NOT NULL, lastdata varchar(80) NOT NULL, duration int NOT NULL, billsec int NOT NULL,
    disposition varchar(45) NOT NULL, amaflags int NOT NULL, accountcode varchar(20) NOT NULL,
    uniqueid varchar(150) NOT NULL, userfield varchar(255) NOT NULL)"""
ODD = """CREATE TABLE cdr (
    id serial PRIMARY KEY, start timestamptz, answer text, "end" timestamptz, src varchar(5), amaflags varchar(20),
    uniqueid text, billsec numeric, customer_name text DEFAULT '-')"""


class Theirs:
    """Their database."""

    def __init__(self, cluster: PostgresCluster, name: str) -> None:
        self.url = cluster.create(name)
        self._cluster = cluster
        self._name = name

    def close_to_us(self) -> None:
        """End every connection and take no new one."""
        self._cluster.sql(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS false')
        self._cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'")

    def open_to_us(self) -> None:
        """Take connections again."""
        self._cluster.sql(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS true')

    async def run(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement in it; returns its rows."""
        async with open_database(self.url) as database, database.write() as connection:
            result = await connection.execute(text(statement))
            return [dict(row) for row in result.mappings()] if result.returns_rows else []


@pytest.fixture
async def theirs(postgres: PostgresCluster) -> AsyncIterator[Theirs]:
    name = f"theirs_{uuid.uuid4().hex}"
    yield Theirs(postgres, name)
    postgres.drop(name)


@pytest.fixture
async def agent(database: Database) -> Account:
    return (await add_accounts(database))[0]


@asynccontextmanager
async def exporting(database: Database, theirs: Theirs) -> AsyncIterator[CdrExport]:
    """The job as a process starts it."""
    async with open_database(theirs.url) as opened:
        yield CdrExport(CdrStore(database), ForeignCdr(opened, TOKYO), JobPositions(database))


async def write(database: Database, rows: list[CdrRow], first_id: int | None = None) -> None:
    """Write rows as a closed call does."""
    facts = [asdict(row) for row in rows]
    if first_id is not None:
        facts = [fact | {"id": first_id + index} for index, fact in enumerate(facts)]
    async with database.write() as connection:
        await connection.execute(insert(cdr), facts)


async def test_rows_in_the_usual_table(database: Database, agent: Account, theirs: Theirs) -> None:
    """Standard columns, local time where the column has no time zone; each row once, however often it is tried."""
    await theirs.run(USUAL)
    rows = [row for number in range(3) for row in end(a_call(agent, number))]
    await write(database, rows)
    async with exporting(database, theirs) as export:
        await export.round()
        await export.round()
    async with exporting(database, theirs) as again:
        await again.round()
    found = await theirs.run("SELECT * FROM cdr ORDER BY uniqueid")
    assert [row["uniqueid"] for row in found] == sorted(row.uniqueid for row in rows)
    first = rows[0]
    assert found[0]["calldate"] == datetime(2026, 11, 21, 12, 0, 1)  # noqa: DTZ001 - as the column has it
    assert (found[0]["dst"], found[0]["disposition"], found[0]["amaflags"]) == (first.dst, "ANSWERED", 3)
    assert (found[0]["duration"], found[0]["billsec"]) == (first.duration, first.billsec)


async def test_only_the_columns_that_are_there(database: Database, agent: Account, theirs: Theirs) -> None:
    """Texts are cut to the column, words where the column is a text; columns of theirs keep their defaults."""
    await theirs.run(ODD)
    rows = end(a_call(agent))
    await write(database, rows)
    async with exporting(database, theirs) as export:
        await export.round()
    found = (await theirs.run("SELECT * FROM cdr ORDER BY uniqueid"))[0]
    assert (found["src"], found["amaflags"], found["customer_name"]) == (rows[0].src[:5], "DOCUMENTATION", "-")
    assert (found["start"], found["end"]) == (rows[0].start, rows[0].end)
    assert found["answer"] == "2026-11-21 12:00:04"
    assert found["billsec"] == rows[0].billsec


async def test_a_row_that_becomes_visible_late_is_not_lost(database: Database, agent: Account, theirs: Theirs) -> None:
    """A transaction that began first may be committed last."""
    await theirs.run(USUAL)
    await write(database, end(a_call(agent, 2)), first_id=50)
    async with exporting(database, theirs) as export:
        await export.round()
        await write(database, end(a_call(agent, 1)), first_id=40)
        await export.round()
    assert len(await theirs.run("SELECT uniqueid FROM cdr")) == 4


async def test_many_rows_and_two_exporters_at_once(database: Database, agent: Account, theirs: Theirs) -> None:
    await theirs.run(USUAL)
    await write(database, [row for number in range(1300) for row in end(a_call(agent, number))])
    async with exporting(database, theirs) as one, exporting(database, theirs) as other:
        await asyncio.gather(one.round(), other.round())
    (count,) = await theirs.run("SELECT count(*) AS rows, count(DISTINCT uniqueid) AS legs FROM cdr")
    assert count == {"rows": 2600, "legs": 2600}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (None, "no table cdr"),
        ("CREATE TABLE cdr (src text)", "no column uniqueid"),
        (USUAL.replace("uniqueid varchar(150)", "uniqueid varchar(32)"), "uniqueid must hold 34 characters"),
    ],
)
async def test_a_table_that_cannot_hold_the_rows_is_told(
    database: Database, agent: Account, theirs: Theirs, table: str | None, problem: str
) -> None:
    """And once it is mended, nothing is missing."""
    if table:
        await theirs.run(table)
    await write(database, end(a_call(agent)))
    async with exporting(database, theirs) as export:
        with pytest.raises(CdrExportError) as refused:
            await export.round()
        assert problem in str(refused.value)
        await theirs.run("DROP TABLE IF EXISTS cdr")
        await theirs.run(USUAL)
        await export.round()
    assert len(await theirs.run("SELECT uniqueid FROM cdr")) == 2


async def test_outage_of_theirs(sqlite_url: str, theirs: Theirs) -> None:
    """Ours goes on; when theirs is back the job resumes by itself where it stopped."""
    await theirs.run(USUAL)
    async with open_database(sqlite_url) as database:
        agent = (await add_accounts(database))[0]
        async with exporting(database, theirs) as export:
            await write(database, end(a_call(agent, 1)))
            await export.round()
            theirs.close_to_us()
            try:
                await write(database, end(a_call(agent, 2)))
                with pytest.raises(DatabaseUnavailableError):
                    await export.round()
            finally:
                theirs.open_to_us()
            await write(database, end(a_call(agent, 3)))
            async with every(0.05, export.round, "cdr_export"), asyncio.timeout(20):
                while len(await theirs.run("SELECT uniqueid FROM cdr")) < 6:
                    await asyncio.sleep(0.05)


def test_a_url_that_is_wrong_is_found_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEHASHI_CDR_EXPORT_URL", "mysql://somewhere/asterisk")
    with pytest.raises(ConfigurationError, match="KAKEHASHI_CDR_EXPORT_URL"):
        load_settings()
