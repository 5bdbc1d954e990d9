"""The database: one engine, transactions for reading and for writing, on SQLite (WAL) or PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ari_app.errors import ConfigurationError, DatabaseUnavailableError

BUSY_TIMEOUT_MS = 10_000
POOL_SIZE = 10
CONNECT_TIMEOUT_S = 5
_WRITES = "kakehashi_writes"
# SQLSTATEs of a server that is starting, stopping, full, or closed to us, by their beginning (PostgreSQL, Appendix A).
_AWAY = ("08", "53", "55000", "57P")
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}

T = TypeVar("T")


class Database:
    """The connection pool. Use `open_database`."""

    def __init__(self, engine: AsyncEngine, embedded: Engine | None = None) -> None:
        """`embedded` is a second, blocking engine on the same SQLite file."""
        self.engine = engine
        self._embedded = embedded
        self._reader = ThreadPoolExecutor(1, "sqlite-reader")
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")

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
        except (OSError, PoolTimeoutError) as error:
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
        except (OSError, PoolTimeoutError) as error:
            raise DatabaseUnavailableError from error

    async def read_with(self, work: Callable[[Connection], T]) -> T:
        """Run blocking `work`, several queries in one go: one hop to a thread on SQLite, where a hop costs most.

        Raises DatabaseUnavailableError.
        """
        if self._embedded is None:
            async with self.read() as connection:
                return await connection.run_sync(work)
        run = partial(_run, self._embedded, work, writes=False)
        return await asyncio.get_running_loop().run_in_executor(self._reader, run)

    async def write_with(self, work: Callable[[Connection], T]) -> T:
        """As `read_with`, in one transaction, committed at the end."""
        if self._embedded is None:
            async with self.write() as connection:
                return await connection.run_sync(work)
        run = partial(_run, self._embedded, work, writes=True)
        return await asyncio.get_running_loop().run_in_executor(self._writer, run)

    async def check(self) -> None:
        """Ask the database something. Raises DatabaseUnavailableError."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        if self._embedded is not None:
            self._embedded.dispose()
        self._reader.shutdown()
        self._writer.shutdown()

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
        return _sqlite(url)
    return Database(
        create_async_engine(url, pool_size=POOL_SIZE, pool_pre_ping=True, connect_args={"timeout": CONNECT_TIMEOUT_S})
    )


def _sqlite(url: str) -> Database:
    if file := make_url(url).database:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url)
    embedded = create_engine(make_url(url).set(drivername="sqlite"))
    for each in (engine.sync_engine, embedded):
        _prepare_sqlite(each)
    return Database(engine, embedded)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
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

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # IMMEDIATE: a reader that turns writer midway would fail with "database is locked" without waiting.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _run(engine: Engine, work: Callable[[Connection], T], *, writes: bool) -> T:
    try:
        with engine.connect().execution_options(**{_WRITES: writes}) as connection, connection.begin():
            return work(connection)
    except DBAPIError as error:
        raise _told(error) from error
    except PoolTimeoutError as error:
        raise DatabaseUnavailableError from error


def _told(error: DBAPIError) -> Exception:
    """A lost database is told as such; anything else is a defect and stays what it is."""
    lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    locked = isinstance(error.orig, sqlite3.OperationalError)
    away = str(getattr(error.orig, "sqlstate", None) or "").startswith(_AWAY)
    return DatabaseUnavailableError() if lost or locked or away else error
