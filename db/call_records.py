"""Calls with their rows, by the time they were placed: what reconciliation reads."""

from datetime import datetime

from sqlalchemy import func, select

from ari_app.domain.callback import Callback, first_id
from ari_app.domain.cdr import CdrRow
from db.call_orders import CALLBACK_COLUMNS
from db.callbacks import OPEN_AT_MOST
from db.cdrs import CDR_COLUMNS
from db.engine import Database
from db.tables import callback, cdr


class CallRecordStore:
    """Reading calls in ranges of their ids, which sort by time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def placed(self, start: datetime, end: datetime) -> tuple[dict[str, Callback], dict[str, list[CdrRow]]]:
        """The orders by call, and the rows by call, of the calls placed from `start` up to `end`."""
        low, high = first_id(start), first_id(end)
        orders = select(*CALLBACK_COLUMNS).where(callback.c.id >= low, callback.c.id < high)
        rows = select(*CDR_COLUMNS).where(cdr.c.call_id >= low, cdr.c.call_id < high)
        rows_of: dict[str, list[CdrRow]] = {}
        async with self._database.read() as connection:
            order_of = {row["id"]: Callback(**row) for row in (await connection.execute(orders)).mappings()}
            for row in (await connection.execute(rows)).mappings():
                rows_of.setdefault(row["call_id"], []).append(CdrRow(**row))
        return order_of, rows_of

    async def first_placed(self, since: datetime, until: datetime) -> datetime | None:
        """When the oldest of the calls that ended in that time was placed; None where none ended."""
        query = select(func.min(callback.c.created_at)).where(
            callback.c.created_at > since - OPEN_AT_MOST, callback.c.ended_at >= since, callback.c.ended_at < until
        )
        async with self._database.read() as connection:
            first: datetime | None = (await connection.execute(query)).scalar()
        return first
