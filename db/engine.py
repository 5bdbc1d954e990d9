"""The database: one engine, transactions for reading and for writing, on SQLite (WAL) or PostgreSQL."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ari_app.errors import ConfigurationError, DatabaseUnavailableError

BUSY_TIMEOUT_MS = 10_000
POOL_SIZE = 10
CONNECT_TIMEOUT_S = 5
_WRITES = "kakehashi_writes"
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


class Database:
    """The connection pool. Use `open_database`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @property
    def sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with. Raises DatabaseUnavailableError."""
        try:
            async with self.engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise _told(error) from error
        except OSError as error:
            raise DatabaseUnavailableError from error

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed on exit. Raises DatabaseUnavailableError."""
        try:
            async with self.engine.connect() as connection:
                await connection.execution_options(**{_WRITES: True})
                async with connection.begin():
                    yield connection
        except DBAPIError as error:
            raise _told(error) from error
        except OSError as error:
            raise DatabaseUnavailableError from error

    async def check(self) -> None:
        """Ask the database something. Raises DatabaseUnavailableError."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def async_url(url: str) -> str:
    """The URL with the driver this application uses. Raises ConfigurationError."""
    parsed = make_url(url)
    driver = _DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise ConfigurationError(field="KAKEHASHI_DATABASE_URL", problem="use sqlite:/// or postgresql://")
    return parsed.set(drivername=driver).render_as_string(hide_password=False)


def open_database(url: str) -> Database:
    """Connect lazily to `url` (sqlite:///… or postgresql://…)."""
    url = async_url(url)
    if url.startswith("sqlite"):
        return Database(_sqlite_engine(url))
    return Database(
        create_async_engine(url, pool_size=POOL_SIZE, pool_pre_ping=True, connect_args={"timeout": CONNECT_TIMEOUT_S})
    )


def _sqlite_engine(url: str) -> AsyncEngine:
    if file := make_url(url).database:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # sqlite3 opens transactions late and by itself; ours begin where we say (SQLAlchemy, "SQLite transactions").
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        # IMMEDIATE: a reader that turns writer midway would fail with "database is locked" without waiting.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _told(error: DBAPIError) -> Exception:
    """A lost database is told as such; anything else is a defect and stays what it is."""
    lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    locked = isinstance(error.orig, sqlite3.OperationalError)
    return DatabaseUnavailableError() if lost or locked else error
