"""What is written on the path of a call, a batch at a time: orders placed, states saved, calls closed.

Everything here runs inside one transaction of the group writer; what must be exact is idempotent under its own key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, text, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from ari_app.domain.callback import CHANNELS_PER_CALLBACK, Callback
from ari_app.domain.cdr import CdrRow
from ari_app.errors import AgentBusyError, CapacityError, IdempotencyConflictError
from db.notify import CHANGE, ORDER, notify
from db.tables import account, callback, cdr, channel_reservation, idempotency_key

CAPACITY_LOCK = 0x4B414B45  # "KAKE": one advisory lock for the channels of the whole cluster

# What changes in a callback's life; the rest is written once, with the order.
_CHANGING = (
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
_CDR_COLUMNS = tuple(field.name for field in fields(CdrRow))
CALLBACK_COLUMNS = [column for column in callback.c if column.name != "cut_by"]


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


def write_rows(connection: Connection, rows: Sequence[CdrRow]) -> None:
    """Each row once, however often it is written."""
    if rows:
        connection.execute(_CDR_INSERT[connection.dialect.name], [_cdr_values(row) for row in rows])


def release(connection: Connection, call_ids: Sequence[str]) -> None:
    """Give calls' channels back."""
    connection.execute(_RELEASE, [{"of": call_id} for call_id in call_ids])


def state_of(call: Callback) -> dict[str, Any]:
    """What a save writes: taken now, for the call goes on while it waits to be written."""
    state = {name: getattr(call, name) for name in _CHANGING}
    return state | {"legs": [replace(leg) for leg in call.legs], "owner": call.node}


def apply(connection: Connection, orders: Sequence[Order], *, sender: str) -> list[Any]:
    """Write a batch, and tell the other processes of it; `sender` is this one."""
    outcomes: dict[int, Any] = {}
    places = [(index, order) for index, order in enumerate(orders) if isinstance(order, Place)]
    if places:
        outcomes |= _place(connection, places)
    _save(connection, [order for order in orders if isinstance(order, Save)])
    _close(connection, [order for order in orders if isinstance(order, Close)])
    notify(connection, sender, [_notice(order) for index, order in enumerate(orders) if _changes(outcomes.get(index))])
    return [outcomes.get(index) for index in range(len(orders))]


def _notice(order: Order) -> tuple[str, str]:
    if isinstance(order, Place):
        return (ORDER if order.callback.node is None else CHANGE), order.callback.id
    return CHANGE, order.callback_id


def _changes(outcome: Any) -> bool:
    """Only an order that was refused, or placed before, changes nothing."""
    return not isinstance(outcome, Exception) and not (isinstance(outcome, Placed) and not outcome.fresh)


def _place(connection: Connection, places: list[tuple[int, Place]]) -> dict[int, Any]:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CAPACITY_LOCK})
    known = _known_keys(connection, [order for _, order in places])
    used = reserved(connection)
    busy = _busy(connection, {order.callback.account_id for _, order in places})
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
        _insert_placed(connection, fresh)
    return outcomes


def _insert_placed(connection: Connection, orders: list[Place]) -> None:
    connection.execute(
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
    connection.execute(insert(callback), [_row(order.callback) for order in orders])
    connection.execute(
        update(account).where(account.c.id == bindparam("of")).values(last_caller_id=bindparam("shown")),
        [{"of": order.callback.account_id, "shown": order.callback.caller_id} for order in orders],
    )
    if keys := [order for order in orders if order.idempotency is not None]:
        connection.execute(
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


def _save(connection: Connection, orders: list[Save]) -> None:
    if orders:
        latest = {order.callback_id: order for order in orders}
        connection.execute(_UPDATE, [{"of": order.callback_id, **order.values} for order in latest.values()])


def _close(connection: Connection, orders: list[Close]) -> None:
    if not orders:
        return
    connection.execute(_UPDATE, [{"of": order.callback_id, **order.values} for order in orders])
    write_rows(connection, [row for order in orders for row in order.rows])
    release(connection, [order.callback_id for order in orders])


# Only the node that has a call changes it: one that was away may have lost it to another.
_UPDATE = (
    update(callback)
    .where(
        callback.c.id == bindparam("of"),
        callback.c.ended_at.is_(None),
        callback.c.node.is_not_distinct_from(bindparam("owner")),
    )
    .values({name: bindparam(name) for name in _CHANGING})
)
_RELEASE = delete(channel_reservation).where(
    channel_reservation.c.call_id == bindparam("of"),
    ~exists().where(callback.c.id == bindparam("of"), callback.c.ended_at.is_(None)),
)
_CDR_INSERT = {
    "sqlite": sqlite.insert(cdr).on_conflict_do_nothing(index_elements=["call_id", "leg"]),
    "postgresql": postgresql.insert(cdr).on_conflict_do_nothing(index_elements=["call_id", "leg"]),
}


def _known_keys(connection: Connection, orders: list[Place]) -> dict[tuple[int, str], tuple[str, str]]:
    keys = [key for key in map(_key, orders) if key is not None]
    if not keys:
        return {}
    rows = connection.execute(
        select(idempotency_key).where(tuple_(idempotency_key.c.account_id, idempotency_key.c.key).in_(keys))
    )
    return {(row.account_id, row.key): (row.fingerprint, row.call_id) for row in rows}


def reserved(connection: Connection) -> int:
    return int(connection.scalar(select(func.coalesce(func.sum(channel_reservation.c.channels), 0))) or 0)


def _busy(connection: Connection, accounts: set[int]) -> set[int]:
    rows = connection.scalars(
        select(channel_reservation.c.account_id).where(channel_reservation.c.account_id.in_(accounts))
    )
    return set(rows)


def _key(order: Place) -> tuple[int, str] | None:
    return (order.callback.account_id, order.idempotency[0]) if order.idempotency else None


def _row(call: Callback) -> dict[str, Any]:
    return {column.name: getattr(call, column.name) for column in CALLBACK_COLUMNS}


def _cdr_values(row: CdrRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _CDR_COLUMNS}
