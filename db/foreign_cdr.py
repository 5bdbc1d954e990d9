"""The operator's own `cdr` table, in a PostgreSQL of theirs: whatever of Asterisk's standard columns it has."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Connection, DateTime, MetaData, String, Table, func, insert, select
from sqlalchemy.exc import NoSuchTableError

from ari_app.domain.cdr import CdrRow
from ari_app.errors import CdrExportError
from db.engine import Database

TABLE = "cdr"
EXPORT_LOCK = 0x4B414B43  # "KAKC": one writer at a time, whichever process it is in
KEY = "uniqueid"
KEY_LENGTH = 34
_OURS = {"call_id", "leg", "caller_id", "ended_by", "cause", "cause_text", "ring_ms", "accept_at", "bridged_at", "node"}
STANDARD = tuple(field.name for field in fields(CdrRow) if field.name not in _OURS)
_AMA_WORDS = {0: "", 1: "OMIT", 2: "BILLING", 3: "DOCUMENTATION"}


class ForeignCdr:
    """Writing our rows into it. `zone` is that of its columns without a time zone, where Asterisk keeps local time."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._zone = zone

    async def add(self, rows: Sequence[CdrRow]) -> int:
        """Write those that are not there yet, by uniqueid; returns how many. One transaction.

        Raises CdrExportError where the table cannot hold them, DatabaseUnavailableError.
        """
        async with self._database.write() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(EXPORT_LOCK)))
            table = await connection.run_sync(_reflect)
            known = select(table.c[KEY]).where(table.c[KEY].in_([row.uniqueid for row in rows]))
            there = set((await connection.execute(known)).scalars())
            fresh = [self._values(row, table) for row in rows if row.uniqueid not in there]
            if fresh:
                await connection.execute(insert(table), fresh)
        return len(fresh)

    def _values(self, row: CdrRow, table: Table) -> dict[str, Any]:
        facts = asdict(row)
        return {name: self._fit(facts[name], table.c[name]) for name in STANDARD if name in table.c}

    def _fit(self, value: Any, column: Column[Any]) -> Any:
        kind = column.type
        if isinstance(value, datetime):
            if isinstance(kind, DateTime):
                return value if kind.timezone else value.astimezone(self._zone).replace(tzinfo=None)
            value = f"{value.astimezone(self._zone):%Y-%m-%d %H:%M:%S}"
        if isinstance(kind, String):
            if column.name == "amaflags":
                value = _AMA_WORDS.get(value, "")
            return "" if value is None else str(value)[: kind.length]
        return value


def _reflect(connection: Connection) -> Table:
    """The table as it is now: operators alter it. Raises CdrExportError."""
    try:
        table: Table = Table(TABLE, MetaData(), autoload_with=connection, resolve_fks=False)
    except NoSuchTableError:
        raise CdrExportError(problem="no table cdr") from None
    if KEY not in table.c:
        raise CdrExportError(problem=f"no column {KEY}")
    length = getattr(table.c[KEY].type, "length", None)
    if not isinstance(table.c[KEY].type, String) or (length or KEY_LENGTH) < KEY_LENGTH:
        raise CdrExportError(problem=f"{KEY} must hold {KEY_LENGTH} characters: {table.c[KEY].type}")
    return table
