"""A PostgreSQL connection of one's own, for what lives exactly as long as it: LISTEN, and locks of a session."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import Database

ASK_S = 5.0
ANSWER_S = 5.0
RETRY_S = 0.5

log = structlog.get_logger(__name__)
Prepare = Callable[[AsyncConnection], Awaitable[None]]


@contextlib.asynccontextmanager
async def kept_session(database: Database, prepare: Prepare) -> AsyncIterator[None]:
    """Keep a session until the end of the block; when it is lost, another one, and `prepare` is run on each.

    Every ASK_S it is asked something, for a server that vanished without a word. Raises what opening or preparing the
    first one raises (DatabaseUnavailableError); later that is logged, and tried again.
    """
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(_keep(database, prepare, first), name="kept-session")
    try:
        await first
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def driver_of(connection: AsyncConnection) -> Any:
    """The driver's own connection (asyncpg)."""
    return (await connection.get_raw_connection()).driver_connection


async def _keep(database: Database, prepare: Prepare, first: asyncio.Future[None]) -> None:
    while True:
        try:
            async with database.read() as connection:
                try:
                    await _live(connection, prepare, first)
                finally:
                    # Never back to the pool: what the session holds must end with it.
                    await connection.invalidate()
        except Exception as error:  # noqa: BLE001 - whatever was wrong with this one, the next may be good
            if not first.done():
                first.set_exception(error)
                return
            log.warning("session_lost", error=type(error).__name__)
        await asyncio.sleep(RETRY_S)


async def _live(connection: AsyncConnection, prepare: Prepare, first: asyncio.Future[None]) -> None:
    await connection.execution_options(isolation_level="AUTOCOMMIT")
    ended = asyncio.Event()
    (await driver_of(connection)).add_termination_listener(lambda _: ended.set())
    await prepare(connection)
    if not first.done():
        first.set_result(None)
    while not ended.is_set():
        async with asyncio.timeout(ANSWER_S):
            await connection.execute(text("SELECT 1"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ASK_S):
                await ended.wait()
