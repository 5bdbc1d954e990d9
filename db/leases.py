"""The lease of a telephony node: one living process a name, for as long as it lives.

On PostgreSQL it is an advisory lock of a session, on SQLite a locked file beside the database: both end with the
process, however it ends, and neither by the passing of time.
"""

import contextlib
import fcntl
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from ari_app.errors import NodeTakenError
from db.engine import Database
from db.session import kept_session

LEASE_LOCK = 0x4B414B4E  # "KAKN", the first half of a lock's key; the node's name is the second
WAIT_S = 3  # as long as it may take to look after a dead node's calls
_LOCKED = "55P03"  # lock_not_available (PostgreSQL, Appendix A)
_KEY = "CAST(:lock AS integer), hashtext(:node)"


@contextlib.asynccontextmanager
async def held_lease(database: Database, node: str, on_lost: Callable[[], None]) -> AsyncIterator[None]:
    """Be the process of this name until the end of the block.

    `on_lost` is called when another one took the name while the database was away. Raises NodeTakenError while
    another process has it, DatabaseUnavailableError.
    """
    if database.sqlite:
        with _locked_file(database, node) as locked:
            if not locked:
                raise NodeTakenError(node=node)
            yield
        return
    name = f"kakehashi-{secrets.token_hex(8)}"
    held = False

    async def take(session: AsyncConnection) -> None:
        nonlocal held
        try:
            await _take(session, node, name)
        except NodeTakenError:
            if held:
                on_lost()
            raise
        held = True

    async with kept_session(database, take):
        yield


@contextlib.asynccontextmanager
async def vacancy(database: Database, node: str) -> AsyncIterator[bool]:
    """Whether no living process has the name; while the block runs, none can take it."""
    if database.sqlite:
        with _locked_file(database, node) as locked:
            yield locked
        return
    async with database.write() as connection:
        query = text(f"SELECT pg_try_advisory_xact_lock({_KEY})")
        yield bool(await connection.scalar(query, {"lock": LEASE_LOCK, "node": node}))


async def _take(session: AsyncConnection, node: str, name: str) -> None:
    # A machine that vanishes must not keep its name for the two hours of TCP's own default.
    for setting in (f"application_name = '{name}'", "tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5",
                    "tcp_keepalives_count = 3", f"lock_timeout = '{WAIT_S}s'"):  # fmt: skip
        await session.execute(text(f"SET {setting}"))
    # Our own session before this one, if the server has not noticed yet that it is gone.
    await session.execute(
        text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name AND pid <> :me"),
        {"name": name, "me": await session.scalar(text("SELECT pg_backend_pid()"))},
    )
    try:
        await session.execute(text(f"SELECT pg_advisory_lock({_KEY})"), {"lock": LEASE_LOCK, "node": node})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCKED:
            raise NodeTakenError(node=node) from error
        raise


@contextlib.contextmanager
def _locked_file(database: Database, node: str) -> Iterator[bool]:
    file = database.engine.url.database
    if not file:
        yield True
        return
    with Path(f"{file}.{quote(node, safe='')}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
