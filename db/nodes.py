"""Telephony nodes: which are alive, so that an order is refused when none can take it, and which have gone silent."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, insert, select, update

from db.engine import Database
from db.leases import held_lease, vacancy
from db.tables import node

ALIVE_S = 10


class NodeStore:
    """Heartbeats and leases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def held(self, name: str, on_lost: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Be the one process of this name: see `held_lease`. Raises NodeTakenError, DatabaseUnavailableError."""
        return held_lease(self._database, name, on_lost)

    def vacant(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Whether no living process has the name; while the block runs, none can take it."""
        return vacancy(self._database, name)

    async def beat(self, name: str, *, ready: bool, now: datetime) -> bool:
        """Say that the node lives, and whether its switch does; whether it was known until now."""
        async with self._database.write() as connection:
            changed = await connection.execute(update(node).where(node.c.name == name).values(seen_at=now, ready=ready))
            if not changed.rowcount:
                await connection.execute(insert(node).values(name=name, seen_at=now, ready=ready))
            return bool(changed.rowcount)

    async def leave(self, name: str) -> None:
        """The node stops; it is expected back for the conversations it leaves up."""
        async with self._database.write() as connection:
            await connection.execute(update(node).where(node.c.name == name).values(ready=False))

    async def forget(self, name: str) -> None:
        """The node is not expected back."""
        async with self._database.write() as connection:
            await connection.execute(delete(node).where(node.c.name == name))

    async def silent(self, since: datetime) -> list[tuple[str, datetime]]:
        """The nodes nobody heard from after `since`, and when they were heard last."""
        query = select(node.c.name, node.c.seen_at).where(node.c.seen_at <= since)
        async with self._database.read() as connection:
            return [(row.name, row.seen_at) for row in await connection.execute(query)]

    async def any_ready(self, now: datetime) -> bool:
        """Whether some node can take an order."""
        async with self._database.read() as connection:
            return (await connection.execute(ready_nodes(now).limit(1))).first() is not None


def ready_nodes(now: datetime) -> Select[tuple[str]]:
    """The names of the nodes that can take an order."""
    return select(node.c.name).where(node.c.ready, node.c.seen_at > now - timedelta(seconds=ALIVE_S))
