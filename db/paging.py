"""Keyset paging: pages found by the last row's key, never by counting rows from the start."""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import ColumnElement, Row, RowMapping, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ari_app.errors import InvalidInputError, TooManyResultsError

T = TypeVar("T")
_ESCAPE = "\\"
RESULTS_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list sorted newest first: rows after it (older), or `backwards` before it."""

    at: datetime
    id: str | int
    backwards: bool = False

    def encode(self) -> str:
        """As a URL carries it."""
        raw = json.dumps([self.at.isoformat(), self.id, self.backwards])
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, field: str = "cursor") -> Self:
        """Raises InvalidInputError for anything `encode` did not make."""
        try:
            at, key, backwards = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if not isinstance(key, str | int) or not isinstance(backwards, bool):
                raise ValueError(text)
            return cls(datetime.fromisoformat(at).astimezone(UTC), key, backwards)
        except (ValueError, TypeError, OverflowError, binascii.Error):
            raise InvalidInputError(field=field) from None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page, newest first; `total` rows were found; `next` and `previous` are None at the ends."""

    items: list[T]
    total: int
    next: Cursor | None
    previous: Cursor | None


async def read_page(
    connection: AsyncConnection,
    query: Select[Any],
    *,
    key: tuple[ColumnElement[datetime], ColumnElement[Any]],
    read: Callable[[RowMapping], T],
    total: int,
    limit: int,
    cursor: Cursor | None,
) -> Page[T]:
    """Read one page of `query`, sorted by `key` (time, id) descending."""
    backwards = cursor is not None and cursor.backwards
    order = [column.asc() if backwards else column.desc() for column in key]
    if cursor is not None:
        query = query.where(_beyond(key, cursor))
    rows = list(await connection.execute(query.order_by(*order).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    if backwards:
        rows.reverse()
    older, newer = (cursor is not None, more) if backwards else (more, cursor is not None)
    return Page(
        [read(row._mapping) for row in rows],
        total,
        _cursor(rows[-1], key, backwards=False) if rows and older else None,
        _cursor(rows[0], key, backwards=True) if rows and newer else None,
    )


async def count_found(connection: AsyncConnection, found: Select[Any]) -> int:
    """How many rows `found` selects. Raises TooManyResultsError past RESULTS_LIMIT, without counting further."""
    bounded = found.limit(RESULTS_LIMIT + 1).subquery()
    count = int(await connection.scalar(select(func.count()).select_from(bounded)) or 0)
    if count > RESULTS_LIMIT:
        raise TooManyResultsError(limit=RESULTS_LIMIT)
    return count


def prefix_range(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Digits that begin with the digits `prefix`, as a range that an index serves on every database and collation."""
    stem = prefix.rstrip("9")
    if not stem:
        return column >= prefix
    return and_(column >= prefix, column < stem[:-1] + str(int(stem[-1]) + 1))


def contains(column: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """Text that holds `part`, wildcards taken literally."""
    escaped = part.replace(_ESCAPE, _ESCAPE * 2).replace("%", _ESCAPE + "%").replace("_", _ESCAPE + "_")
    return column.like(f"%{escaped}%", escape=_ESCAPE)


def _beyond(key: tuple[ColumnElement[datetime], ColumnElement[Any]], cursor: Cursor) -> ColumnElement[bool]:
    at, id_ = key
    if cursor.backwards:
        return or_(at > cursor.at, and_(at == cursor.at, id_ > cursor.id))
    return or_(at < cursor.at, and_(at == cursor.at, id_ < cursor.id))


def _cursor(row: Row[Any], key: tuple[ColumnElement[datetime], ColumnElement[Any]], *, backwards: bool) -> Cursor:
    at, id_ = key
    return Cursor(row._mapping[at], row._mapping[id_], backwards)
