"""Returned calls: who is to be rung, the call's reservation, and its records."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, text, update

from ari_app.domain.account import Account, Device
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import Reason
from ari_app.domain.returned_call import CHANNELS_PER_RETURNED_CALL, ReturnedCall
from db.call_orders import CAPACITY_LOCK, release, reserved, write_rows
from db.engine import Database
from db.tables import (
    account,
    call_center_agent,
    call_center_number,
    callback,
    channel_reservation,
    number,
    returned_call,
)
from db.writer import GroupWriter

CALLBACKS_LOOKED_AT = 50

_COLUMNS = [returned_call.c[field.name] for field in fields(ReturnedCall)]
_ACCOUNT = [account.c[field.name] for field in fields(Account)]


@dataclass(frozen=True, slots=True)
class Begin:
    """Write a call down and reserve its channels; `assign` is given the first free candidate."""

    call: ReturnedCall
    candidates: Sequence[Account]
    assign: Callable[[Account], None]
    limit: int


@dataclass(frozen=True, slots=True)
class Save:
    """Write a call's present state, taken when it is ordered; with `rows` it has ended and its channels go back."""

    call_id: str
    values: Mapping[str, Any]
    rows: Sequence[CdrRow] | None = None


Order = Begin | Save


class ReturnedCallStore:
    """Implements `ports.ReturnedCallRecords`; what is written goes through one group writer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer: GroupWriter[Order] = GroupWriter(database, _apply, keep=lambda order: isinstance(order, Save))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The writer's life: nothing is written outside this block."""
        async with self._writer.running():
            yield

    async def candidates(self, called: str, caller: str) -> list[Account]:
        """The agents a call may be put through to: who called last, the last first, then the call centers' by login."""
        return await self._database.read_with(lambda connection: _candidates(connection, called, caller))

    async def begin(
        self, call: ReturnedCall, candidates: Sequence[Account], assign: Callable[[Account], None], *, limit: int
    ) -> None:
        """Write the call and reserve its channels, atomically for the whole cluster."""
        await self._writer.write(Begin(call, candidates, assign, limit))

    def note(self, call: ReturnedCall) -> None:
        """Write the call's present state: durable in a moment."""
        self._writer.write_later(Save(call.id, _values(call)))

    async def close(self, call: ReturnedCall, rows: list[CdrRow]) -> None:
        """Write the ended call and its rows once, and give its channels back."""
        await self._writer.write(Save(call.id, _values(call), rows))

    async def open_calls(self, node: str) -> list[ReturnedCall]:
        """This node's returned calls that have not ended."""
        query = select(*_COLUMNS).where(returned_call.c.node == node, returned_call.c.ended_at.is_(None))
        async with self._database.read() as connection:
            return [_call(row) for row in (await connection.execute(query)).mappings()]

    async def latest(self, at_most: int) -> list[ReturnedCall]:
        """The newest first."""
        query = select(*_COLUMNS).order_by(returned_call.c.created_at.desc(), returned_call.c.id.desc()).limit(at_most)
        async with self._database.read() as connection:
            return [_call(row) for row in (await connection.execute(query)).mappings()]


def _apply(connection: Connection, orders: Sequence[Order]) -> list[Any]:
    begun = [order for order in orders if isinstance(order, Begin)]
    if begun and connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CAPACITY_LOCK})
    for each in begun:
        _begin(connection, each)
    for order in orders:
        if isinstance(order, Save):
            _save(connection, order)
    return [None] * len(orders)


def _begin(connection: Connection, order: Begin) -> None:
    call, free = order.call, order.limit - reserved(connection)
    if free < CHANNELS_PER_RETURNED_CALL:
        call.reason = Reason.NO_CHANNEL
    else:
        busy = set(connection.scalars(select(channel_reservation.c.account_id)))
        if agent := next((one for one in order.candidates if one.id not in busy), None):
            order.assign(agent)
    # The notice takes the one channel that is there already.
    channels = CHANNELS_PER_RETURNED_CALL if call.account_id is not None else min(1, free)
    if channels > 0:
        connection.execute(
            insert(channel_reservation).values(
                call_id=call.id, channels=channels, account_id=call.account_id, created_at=call.created_at
            )
        )
    connection.execute(insert(returned_call).values({"id": call.id, **_values(call)}))


def _save(connection: Connection, order: Save) -> None:
    connection.execute(_UPDATE, {"of": order.call_id, **order.values})
    if order.rows is not None:
        write_rows(connection, order.rows)
        release(connection, [order.call_id])


def _candidates(connection: Connection, called: str, caller: str) -> list[Account]:
    if connection.scalar(select(number.c.id).where(number.c.tel == caller)) is not None:
        return []  # a company number that calls one is a phone that forwards to us: it would go round and round
    parameters = {"called": called, "caller": caller}
    found: dict[int, Account] = {}
    for query in (_WHO_CALLED, _OF_CALL_CENTERS) if caller else (_OF_CALL_CENTERS,):
        for row in connection.execute(query, parameters).mappings():
            found.setdefault(row["id"], Account(**row))
    return list(found.values())


_RINGABLE = (
    account.c.agent
    & ~account.c.topmost
    & account.c.disabled_at.is_(None)
    & (account.c.device == Device.EXTERNAL)
    & account.c.device_number.is_not(None)
    & account.c.device_number.not_in(select(number.c.tel))
)
_WHO_CALLED = (
    select(*_ACCOUNT)
    .join(callback, callback.c.account_id == account.c.id)
    .where(
        callback.c.customer_number == bindparam("caller"),
        callback.c.customer_caller_id == bindparam("called"),
        ~callback.c.withheld,
        callback.c.ringing_customer_at.is_not(None),
        _RINGABLE,
    )
    .order_by(callback.c.created_at.desc(), callback.c.id.desc())
    .limit(CALLBACKS_LOOKED_AT)
)
_OF_CALL_CENTERS = (
    select(*_ACCOUNT)
    .where(
        account.c.id.in_(
            select(call_center_agent.c.account_id)
            .join(
                call_center_number,
                call_center_number.c.call_center_id == call_center_agent.c.call_center_id,
            )
            .join(number, number.c.id == call_center_number.c.number_id)
            .where(number.c.tel == bindparam("called"))
        ),
        _RINGABLE,
    )
    .order_by(account.c.login)
)
_UPDATE = (
    update(returned_call)
    .where(returned_call.c.id == bindparam("of"), returned_call.c.ended_at.is_(None))
    .values({column.name: bindparam(column.name) for column in _COLUMNS if column.name != "id"})
)


def _values(call: ReturnedCall) -> dict[str, Any]:
    values = {column.name: getattr(call, column.name) for column in _COLUMNS if column.name != "id"}
    return values | {"legs": [replace(leg) for leg in call.legs]}


def _call(row: RowMapping) -> ReturnedCall:
    return ReturnedCall(**row)
