"""Which node takes the orders that wait: the calls of all nodes are kept level."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, case, func, select

from ari_app.domain.callback import State
from db.nodes import ready_nodes
from db.tables import callback

PATIENCE_S = 1.0  # then any node may take it: the one whose turn it is may hang


def share_of(connection: Connection, node: str, now: datetime) -> int:
    """How many of the waiting orders this node may take now.

    It may fill up to the level at which the open calls and the waiting orders would stand if they were spread evenly
    over the nodes that are ready; and whatever has waited PATIENCE_S.
    """
    waits = callback.c.node.is_(None), callback.c.state == State.ACCEPTED, callback.c.ended_at.is_(None)
    if connection.execute(select(callback.c.id).where(*waits).limit(1)).first() is None:
        return 0
    overdue = func.sum(case((callback.c.created_at <= now - timedelta(seconds=PATIENCE_S), 1), else_=0))
    waiting, late = connection.execute(select(func.count(), func.coalesce(overdue, 0)).where(*waits)).one()
    ready = set(connection.scalars(ready_nodes(now))) | {node}
    calls = select(callback.c.node, func.count()).where(callback.c.node.in_(ready), callback.c.ended_at.is_(None))
    counts = {row[0]: int(row[1]) for row in connection.execute(calls.group_by(callback.c.node))}
    level = -(-(int(waiting) + sum(counts.values())) // len(ready))
    return max(level - counts.get(node, 0), int(late))
