"""Callbacks: placing, following and closing them on the path of a call, and searching them afterwards."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ari_app.domain.callback import CHANNELS_PER_CALLBACK, Callback, Result, State
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import Party, Reason
from ari_app.domain.schedule import ALWAYS, Period
from ari_app.errors import (
    AgentBusyError,
    CapacityError,
    IdempotencyConflictError,
    NotFoundError,
    TooManyResultsError,
)
from db.engine import Database
from db.paging import Cursor, Page, contains, prefix_range, read_page
from db.reach import RowReach
from db.tables import account, callback, cdr, channel_reservation, idempotency_key
from db.writer import GroupWriter

CAPACITY_LOCK = 0x4B414B45  # "KAKE": one advisory lock for the channels of the whole cluster
RESULTS_LIMIT = 10_000

_SAVED = (
    "node",
    "state",
    "result",
    "reason",
    "ended_by",
    "ringing_agent_at",
    "agent_answered_at",
    "ringing_customer_at",
    "talking_at",
    "ended_at",
    "legs",
)
_COLUMNS = [column for column in callback.c if column.name != "cut_by"]


@dataclass(frozen=True, slots=True)
class Place:
    """Order a callback. `idempotency` is (key, fingerprint of the request), `limit` 同時通話数."""

    callback: Callback
    limit: int
    idempotency: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """The order's callback; `fresh` is False when its Idempotency-Key had placed it before."""

    callback_id: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Save:
    """Write a callback's present state; `values` are taken when it is ordered, not when it is written."""

    callback_id: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Close:
    """Write a callback's end and its rows, and give its channels back."""

    callback_id: str
    values: Mapping[str, Any]
    rows: Sequence[CdrRow]


Order = Place | Save | Close


@dataclass(frozen=True, slots=True)
class CallbackSearch:
    """Conditions of コールバック発信結果; `customer_number` matches from its beginning.

    `words` narrow (絞り込み): all must match, each as part of a number or by its `results` and `reasons`.
    """

    period: Period = ALWAYS
    caller_id: str | None = None
    customer_number: str | None = None
    result: Result | None = None
    words: tuple["SearchWord", ...] = ()


@dataclass(frozen=True, slots=True)
class SearchWord:
    """One word of 絞り込み, and the results and reasons whose label in the user's language holds it."""

    text: str
    results: tuple[Result, ...] = ()
    reasons: tuple[Reason, ...] = ()


class CallbackStore:
    """Callbacks and their reservations. On the path of a call everything goes through one group writer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer: GroupWriter[Order] = GroupWriter(
            database, _apply, keep=lambda order: not isinstance(order, Place)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The writer's life: nothing is written outside this block."""
        async with self._writer.running():
            yield

    async def place(self, call: Callback, *, limit: int, idempotency: tuple[str, str] | None = None) -> Placed:
        """Write the order and reserve its two channels, atomically for the whole cluster.

        Raises CapacityError, AgentBusyError, IdempotencyConflictError, DatabaseUnavailableError; then nothing is kept.
        """
        placed: Placed = await self._writer.write(Place(call, limit, idempotency))
        return placed

    async def save(self, call: Callback) -> None:
        """Write the callback's present state."""
        await self._writer.write(Save(call.id, _values(call)))

    async def close(self, call: Callback, rows: list[CdrRow]) -> None:
        """Write the ended callback and its rows once, and give its channels back."""
        await self._writer.write(Close(call.id, _values(call), rows))

    async def claim(self, node: str, at_most: int) -> list[Callback]:
        """Take over orders that nobody has begun; each order goes to one node only."""
        free = (
            select(callback.c.id)
            .where(callback.c.node.is_(None), callback.c.state == State.ACCEPTED, callback.c.ended_at.is_(None))
            .order_by(callback.c.created_at)
            .limit(at_most)
        )
        async with self._database.read() as connection:
            if (await connection.execute(free.limit(1))).first() is None:
                return []
        async with self._database.write() as connection:
            rows = await connection.execute(
                update(callback)
                .where(callback.c.id.in_(free.with_for_update(skip_locked=True)))
                .values(node=node)
                .returning(*_COLUMNS)
            )
            return [_callback(row) for row in rows.mappings()]

    async def open_calls(self, node: str) -> list[Callback]:
        """This node's callbacks that have not ended."""
        return await self._select(callback.c.node == node, callback.c.ended_at.is_(None))

    async def all_open(self) -> list[Callback]:
        """Every callback that has not ended, oldest first."""
        return await self._select(callback.c.ended_at.is_(None))

    async def request_cut(self, callback_id: str, by: Party) -> None:
        """Leave word for the node that has the call; the first request counts."""
        async with self._database.write() as connection:
            await connection.execute(
                update(callback)
                .where(callback.c.id == callback_id, callback.c.ended_at.is_(None), callback.c.cut_by.is_(None))
                .values(cut_by=by)
            )

    async def cut_requests(self, node: str) -> list[tuple[str, Party]]:
        """Calls of this node that somebody elsewhere asked to end."""
        query = select(callback.c.id, callback.c.cut_by).where(
            callback.c.node == node, callback.c.ended_at.is_(None), callback.c.cut_by.is_not(None)
        )
        async with self._database.read() as connection:
            return [(row.id, row.cut_by) for row in await connection.execute(query)]

    async def get(self, callback_id: str) -> Callback:
        """Raises NotFoundError."""
        found = await self._select(callback.c.id == callback_id)
        if not found:
            raise NotFoundError(value=callback_id)
        return found[0]

    async def find(self, callback_id: str, reach: RowReach) -> Callback:
        """As `get`, for what an account sees only. Raises NotFoundError."""
        found = await self._select(
            callback.c.id == callback_id, *reach.where(callback.c.account_id, callback.c.caller_id)
        )
        if not found:
            raise NotFoundError(value=callback_id)
        return found[0]

    async def open_of(self, account_id: int) -> Callback | None:
        """The call an account has going, None where there is none."""
        found = await self._select(callback.c.account_id == account_id, callback.c.ended_at.is_(None))
        return found[0] if found else None

    async def reserved_channels(self) -> int:
        """Channels of 同時通話数 in use."""
        async with self._database.read() as connection:
            return await _reserved(connection)

    async def search(
        self, conditions: CallbackSearch, reach: RowReach, *, limit: int, cursor: Cursor | None = None
    ) -> Page[Callback]:
        """Newest first, one page. Raises TooManyResultsError past RESULTS_LIMIT found (before narrowing)."""
        where = [*_conditions(conditions), *reach.where(callback.c.account_id, callback.c.caller_id)]
        async with self._database.read() as connection:
            count = await _count(connection, where)
            if count > RESULTS_LIMIT:
                raise TooManyResultsError(limit=RESULTS_LIMIT)
            if conditions.words:
                where += [_narrowed(word) for word in conditions.words]
                count = await _count(connection, where)
            return await read_page(
                connection,
                select(*_COLUMNS).where(*where),
                key=(callback.c.created_at, callback.c.id),
                read=_callback,
                total=count,
                limit=limit,
                cursor=cursor,
            )

    async def _select(self, *where: ColumnElement[bool]) -> list[Callback]:
        query = select(*_COLUMNS).where(*where).order_by(callback.c.created_at)
        async with self._database.read() as connection:
            return [_callback(row) for row in (await connection.execute(query)).mappings()]


# Writing, a batch at a time


async def _apply(connection: AsyncConnection, orders: Sequence[Order]) -> list[Any]:
    outcomes: dict[int, Any] = {}
    places = [(index, order) for index, order in enumerate(orders) if isinstance(order, Place)]
    if places:
        outcomes |= await _place(connection, places)
    await _save(connection, [order for order in orders if isinstance(order, Save)])
    await _close(connection, [order for order in orders if isinstance(order, Close)])
    return [outcomes.get(index) for index in range(len(orders))]


async def _place(connection: AsyncConnection, places: list[tuple[int, Place]]) -> dict[int, Any]:
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CAPACITY_LOCK})
    known = await _known_keys(connection, [order for _, order in places])
    used = await _reserved(connection)
    busy = await _busy(connection, {order.callback.account_id for _, order in places})
    outcomes: dict[int, Any] = {}
    fresh: list[Place] = []
    for index, order in places:
        call, key = order.callback, _key(order)
        if key is not None and key in known:
            fingerprint, call_id = known[key]
            same = order.idempotency is not None and order.idempotency[1] == fingerprint
            outcomes[index] = Placed(call_id, fresh=False) if same else IdempotencyConflictError()
        elif call.account_id in busy:
            outcomes[index] = AgentBusyError()
        elif used + CHANNELS_PER_CALLBACK > order.limit:
            outcomes[index] = CapacityError(limit=order.limit)
        else:
            used += CHANNELS_PER_CALLBACK
            busy.add(call.account_id)
            fresh.append(order)
            outcomes[index] = Placed(call.id, fresh=True)
            if key is not None and order.idempotency is not None:
                known[key] = (order.idempotency[1], call.id)
    if fresh:
        await _insert_placed(connection, fresh)
    return outcomes


async def _insert_placed(connection: AsyncConnection, orders: list[Place]) -> None:
    await connection.execute(
        insert(channel_reservation),
        [
            {
                "call_id": order.callback.id,
                "channels": CHANNELS_PER_CALLBACK,
                "account_id": order.callback.account_id,
                "created_at": order.callback.created_at,
            }
            for order in orders
        ],
    )
    await connection.execute(insert(callback), [_row(order.callback) for order in orders])
    await connection.execute(
        update(account).where(account.c.id == bindparam("of")).values(last_caller_id=bindparam("shown")),
        [{"of": order.callback.account_id, "shown": order.callback.caller_id} for order in orders],
    )
    if keys := [order for order in orders if order.idempotency is not None]:
        await connection.execute(
            insert(idempotency_key),
            [
                {
                    "account_id": order.callback.account_id,
                    "key": order.idempotency[0],
                    "fingerprint": order.idempotency[1],
                    "call_id": order.callback.id,
                    "created_at": order.callback.created_at,
                }
                for order in keys
                if order.idempotency is not None
            ],
        )


async def _save(connection: AsyncConnection, orders: list[Save]) -> None:
    if orders:
        await connection.execute(_UPDATE, [{"of": order.callback_id, **order.values} for order in orders])


async def _close(connection: AsyncConnection, orders: list[Close]) -> None:
    if not orders:
        return
    await connection.execute(_UPDATE, [{"of": order.callback_id, **order.values} for order in orders])
    if rows := [asdict(row) for order in orders for row in order.rows]:
        await connection.execute(_CDR_INSERT[connection.dialect.name], rows)
    await connection.execute(_RELEASE, [{"of": order.callback_id} for order in orders])


_UPDATE = (
    update(callback)
    .where(callback.c.id == bindparam("of"), callback.c.ended_at.is_(None))
    .values({name: bindparam(name) for name in _SAVED})
)
_RELEASE = delete(channel_reservation).where(channel_reservation.c.call_id == bindparam("of"))
_CDR_INSERT = {
    "sqlite": sqlite.insert(cdr).on_conflict_do_nothing(index_elements=["call_id", "leg"]),
    "postgresql": postgresql.insert(cdr).on_conflict_do_nothing(index_elements=["call_id", "leg"]),
}


async def _known_keys(connection: AsyncConnection, orders: list[Place]) -> dict[tuple[int, str], tuple[str, str]]:
    keys = [key for key in map(_key, orders) if key is not None]
    if not keys:
        return {}
    rows = await connection.execute(
        select(idempotency_key).where(tuple_(idempotency_key.c.account_id, idempotency_key.c.key).in_(keys))
    )
    return {(row.account_id, row.key): (row.fingerprint, row.call_id) for row in rows}


async def _reserved(connection: AsyncConnection) -> int:
    return int(await connection.scalar(select(func.coalesce(func.sum(channel_reservation.c.channels), 0))) or 0)


async def _busy(connection: AsyncConnection, accounts: set[int]) -> set[int]:
    rows = await connection.scalars(
        select(channel_reservation.c.account_id).where(channel_reservation.c.account_id.in_(accounts))
    )
    return set(rows)


def _key(order: Place) -> tuple[int, str] | None:
    return (order.callback.account_id, order.idempotency[0]) if order.idempotency else None


# Rows


def _values(call: Callback) -> dict[str, Any]:
    return {name: getattr(call, name) for name in _SAVED} | {"legs": [replace(leg) for leg in call.legs]}


def _row(call: Callback) -> dict[str, Any]:
    return {column.name: getattr(call, column.name) for column in _COLUMNS}


def _callback(row: RowMapping) -> Callback:
    return Callback(**row)


# Searching


def _conditions(search: CallbackSearch) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if search.period.start:
        where.append(callback.c.created_at >= search.period.start)
    if search.period.end:
        where.append(callback.c.created_at < search.period.end)
    if search.caller_id:
        where.append(callback.c.caller_id == search.caller_id)
    if search.customer_number:
        where.append(prefix_range(callback.c.customer_number, search.customer_number))
    if search.result:
        where.append(callback.c.result == search.result)
    return where


def _narrowed(word: SearchWord) -> ColumnElement[bool]:
    return or_(
        contains(callback.c.caller_id, word.text),
        contains(callback.c.agent_number, word.text),
        contains(callback.c.customer_number, word.text),
        callback.c.result.in_(word.results),
        callback.c.reason.in_(word.reasons),
    )


async def _count(connection: AsyncConnection, where: list[ColumnElement[bool]]) -> int:
    bounded = select(callback.c.id).where(and_(True, *where)).limit(RESULTS_LIMIT + 1).subquery()
    return int(await connection.scalar(select(func.count()).select_from(bounded)) or 0)
