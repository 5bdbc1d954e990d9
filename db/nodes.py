"""Telephony nodes: which are alive, so that an order is refused when none can take it."""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from db.engine import Database
from db.tables import node

ALIVE_S = 10


class NodeStore:
    """Heartbeats."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, name: str, *, ready: bool, now: datetime) -> None:
        """Say that the node lives, and whether its switch does."""
        async with self._database.write() as connection:
            changed = await connection.execute(update(node).where(node.c.name == name).values(seen_at=now, ready=ready))
            if not changed.rowcount:
                await connection.execute(insert(node).values(name=name, seen_at=now, ready=ready))

    async def leave(self, name: str) -> None:
        """The node stops."""
        async with self._database.write() as connection:
            await connection.execute(delete(node).where(node.c.name == name))

    async def any_ready(self, now: datetime) -> bool:
        """Whether some node can take an order."""
        query = select(node.c.name).where(node.c.ready, node.c.seen_at > now - timedelta(seconds=ALIVE_S)).limit(1)
        async with self._database.read() as connection:
            return (await connection.execute(query)).first() is not None
