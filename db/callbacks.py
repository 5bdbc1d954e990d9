"""Callbacks: placing, following and closing them on the path of a call, and finding them afterwards."""

import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, Connection, RowMapping, select, update

from ari_app.domain.callback import Callback, State
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import Party
from ari_app.errors import NotFoundError
from db.call_orders import CALLBACK_COLUMNS, Close, Order, Place, Placed, Save, apply, reserved, state_of
from db.callback_search import CallbackSearch, conditions_of, narrowed_by
from db.engine import Database
from db.notify import CUT, ORDER, notify
from db.paging import Cursor, Page, count_found, read_page
from db.placement import share_of
from db.reach import RowReach
from db.tables import callback
from db.writer import GroupWriter

OPEN_AT_MOST = timedelta(days=1)  # bounds the index range that is read for what ended lately


class CallbackStore:
    """Callbacks and their reservations. On the path of a call everything goes through one group writer.

    `sender` marks what this process tells the others.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.sender = secrets.token_hex(4)
        write = partial(apply, sender=self.sender)
        self._writer: GroupWriter[Order] = GroupWriter(database, write, keep=lambda order: not isinstance(order, Place))

    @property
    def writer(self) -> GroupWriter[Order]:
        """What writes, for whoever counts."""
        return self._writer

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
        await self._writer.write(Save(call.id, state_of(call)))

    def note(self, call: Callback) -> None:
        """As `save`, for a state that nothing waits for: durable in a moment."""
        self._writer.write_later(Save(call.id, state_of(call)))

    async def close(self, call: Callback, rows: list[CdrRow]) -> None:
        """Write the ended callback and its rows once, and give its channels back."""
        await self._writer.write(Close(call.id, state_of(call), rows))

    async def claim(self, node: str, at_most: int, now: datetime) -> list[Callback]:
        """Take over orders that nobody has begun, this node's share of them; each order goes to one node only."""
        share = await self._database.read_with(lambda connection: share_of(connection, node, now))
        if share <= 0:
            return []
        free = (
            select(callback.c.id)
            .where(callback.c.node.is_(None), callback.c.state == State.ACCEPTED, callback.c.ended_at.is_(None))
            .order_by(callback.c.created_at)
            .limit(min(share, at_most))
        )
        async with self._database.write() as connection:
            rows = await connection.execute(
                update(callback)
                .where(callback.c.id.in_(free.with_for_update(skip_locked=True)))
                .values(node=node)
                .returning(*CALLBACK_COLUMNS)
            )
            return [_callback(row) for row in rows.mappings()]

    async def hand_back(self, node: str, since: datetime) -> None:
        """Let others claim what this node had not begun of the orders placed after `since`."""
        unbegun = (
            update(callback)
            .where(
                callback.c.node == node,
                callback.c.state == State.ACCEPTED,
                callback.c.ended_at.is_(None),
                callback.c.created_at > since,
            )
            .values(node=None)
            .returning(callback.c.id)
        )

        def work(connection: Connection) -> None:
            notify(connection, self.sender, [(ORDER, id_) for id_ in connection.scalars(unbegun)])

        await self._database.write_with(work)

    async def open_calls(self, node: str) -> list[Callback]:
        """This node's callbacks that have not ended."""
        return await self._select(callback.c.node == node, callback.c.ended_at.is_(None))

    async def all_open(self) -> list[Callback]:
        """Every callback that has not ended, oldest first."""
        return await self._select(callback.c.ended_at.is_(None))

    async def ended_since(self, since: datetime, at_most: int) -> list[Callback]:
        """The callbacks that ended after `since`, oldest first; not those placed OPEN_AT_MOST earlier."""
        query = (
            select(*CALLBACK_COLUMNS)
            .where(callback.c.created_at > since - OPEN_AT_MOST, callback.c.ended_at > since)
            .order_by(callback.c.created_at)
            .limit(at_most)
        )
        async with self._database.read() as connection:
            return [_callback(row) for row in (await connection.execute(query)).mappings()]

    async def request_cut(self, callback_id: str, by: Party) -> None:
        """Leave word for the node that has the call; the first request counts, but an administrator's always does."""
        open_ = [callback.c.id == callback_id, callback.c.ended_at.is_(None)]
        unasked = [] if by is Party.ADMIN else [callback.c.cut_by.is_(None)]
        request = update(callback).where(*open_, *unasked).values(cut_by=by)

        def work(connection: Connection) -> None:
            if connection.execute(request).rowcount:
                notify(connection, self.sender, [(CUT, callback_id)])

        await self._database.write_with(work)

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

    async def several(self, callback_ids: Collection[str]) -> list[Callback]:
        """Those of the callbacks that are there, oldest first."""
        return await self._select(callback.c.id.in_(callback_ids))

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
        return await self._database.read_with(reserved)

    async def search(
        self, conditions: CallbackSearch, reach: RowReach, *, limit: int, cursor: Cursor | None = None
    ) -> Page[Callback]:
        """Newest first, one page. Raises TooManyResultsError past RESULTS_LIMIT found (before narrowing)."""
        where = [*conditions_of(conditions), *reach.where(callback.c.account_id, callback.c.caller_id)]
        async with self._database.read() as connection:
            count = await count_found(connection, select(callback.c.id).where(*where))
            if conditions.words:
                where += [narrowed_by(word) for word in conditions.words]
                count = await count_found(connection, select(callback.c.id).where(*where))
            return await read_page(
                connection,
                select(*CALLBACK_COLUMNS).where(*where),
                key=(callback.c.created_at, callback.c.id),
                read=_callback,
                total=count,
                limit=limit,
                cursor=cursor,
            )

    async def _select(self, *where: ColumnElement[bool]) -> list[Callback]:
        query = select(*CALLBACK_COLUMNS).where(*where).order_by(callback.c.created_at)
        async with self._database.read() as connection:
            return [_callback(row) for row in (await connection.execute(query)).mappings()]


def _callback(row: RowMapping) -> Callback:
    return Callback(**row)
