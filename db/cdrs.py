"""The CDR 発着信履歴, to read: rows by leg, and rows joined by call."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, select

from ari_app.domain.cdr import CdrRow
from ari_app.domain.schedule import ALWAYS, Period
from db.engine import Database
from db.paging import Cursor, Page, count_found, prefix_range, read_page
from db.reach import RowReach
from db.tables import callback, cdr

CDR_COLUMNS = [cdr.c[field.name] for field in fields(CdrRow)]


@dataclass(frozen=True, slots=True)
class CdrSearch:
    """Conditions of 発着信履歴; numbers match from their beginning."""

    period: Period = ALWAYS
    src: str | None = None
    dst: str | None = None
    call_id: str | None = None


class CdrStore:
    """Reading the CDR."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(
        self, conditions: CdrSearch, reach: RowReach, *, limit: int, cursor: Cursor | None = None
    ) -> Page[CdrRow]:
        """Newest first, one page of rows. Raises TooManyResultsError past the limit."""
        where = [*_conditions(conditions), *reach.where(_owner(), cdr.c.caller_id)]
        async with self._database.read() as connection:
            count = await count_found(connection, select(cdr.c.id).where(*where))
            return await read_page(
                connection,
                select(cdr.c.id, *CDR_COLUMNS).where(*where),
                key=(cdr.c.start, cdr.c.id),
                read=_row,
                total=count,
                limit=limit,
                cursor=cursor,
            )

    async def latest(self, limit: int) -> list[CdrRow]:
        """The rows written last, the newest first: what a watcher polls."""
        query = select(*CDR_COLUMNS).order_by(cdr.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            return [_row(row) for row in (await connection.execute(query)).mappings()]

    async def ids_after(self, row_id: int, limit: int) -> list[int]:
        """The ids above `row_id`, in order."""
        query = select(cdr.c.id).where(cdr.c.id > row_id).order_by(cdr.c.id).limit(limit)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def of_ids(self, ids: Sequence[int]) -> list[CdrRow]:
        """The rows with these ids, in their order."""
        query = select(*CDR_COLUMNS).where(cdr.c.id.in_(ids)).order_by(cdr.c.id)
        async with self._database.read() as connection:
            return [_row(row) for row in (await connection.execute(query)).mappings()]

    async def search_calls(
        self, conditions: CdrSearch, reach: RowReach, *, limit: int, cursor: Cursor | None = None
    ) -> Page[str]:
        """The ids of the calls that have a matching row, newest first, one page. Raises TooManyResultsError."""
        where = [*_conditions(conditions), *reach.where(_owner(), cdr.c.caller_id)]
        calls = (
            select(cdr.c.call_id, func.min(cdr.c.start).label("start")).where(*where).group_by(cdr.c.call_id)
        ).subquery()
        async with self._database.read() as connection:
            count = await count_found(connection, select(cdr.c.call_id).where(*where).distinct())
            return await read_page(
                connection,
                select(calls),
                key=(calls.c.start, calls.c.call_id),
                read=lambda row: str(row["call_id"]),
                total=count,
                limit=limit,
                cursor=cursor,
            )

    async def of_calls(self, call_ids: Sequence[str], reach: RowReach | None = None) -> dict[str, list[CdrRow]]:
        """The rows of each call (those within `reach`), leg 1 first; calls without rows are absent."""
        rows_of: dict[str, list[CdrRow]] = {}
        where = [cdr.c.call_id.in_(call_ids), *(reach.where(_owner(), cdr.c.caller_id) if reach else [])]
        query = select(*CDR_COLUMNS).where(*where).order_by(cdr.c.call_id, cdr.c.leg)
        async with self._database.read() as connection:
            for row in (await connection.execute(query)).mappings():
                rows_of.setdefault(row["call_id"], []).append(_row(row))
        return rows_of


def _conditions(search: CdrSearch) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if search.period.start:
        where.append(cdr.c.start >= search.period.start)
    if search.period.end:
        where.append(cdr.c.start < search.period.end)
    if search.src:
        where.append(prefix_range(cdr.c.src, search.src))
    if search.dst:
        where.append(prefix_range(cdr.c.dst, search.dst))
    if search.call_id:
        where.append(cdr.c.call_id == search.call_id)
    return where


def _owner() -> ColumnElement[Any]:
    return select(callback.c.account_id).where(callback.c.id == cdr.c.call_id).scalar_subquery()


def _row(row: RowMapping) -> CdrRow:
    return CdrRow(**{column.name: row[column.name] for column in CDR_COLUMNS})
