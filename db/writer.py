"""Group commit: one writer drains what has gathered into one transaction, and each await returns once it is durable."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import Connection

from ari_app.errors import DatabaseUnavailableError
from db.engine import Database

MAX_BATCH = 500
LATER_S = 0.02
RETRY_FIRST_S = 0.1
RETRY_MOST_S = 2.0

log = structlog.get_logger(__name__)
T = TypeVar("T")
_Waiting = tuple[T, asyncio.Future[Any] | None]


class GroupWriter(Generic[T]):
    """Orders of type `T`, written together: at once, or with the next ones that cannot wait.

    `apply` writes a batch in the transaction it is given and returns one outcome an order, in order: a value, or an
    exception for that order alone. `keep` tells orders that must survive an absent database: they wait for it and are
    tried again, so they must be idempotent; the others fail with DatabaseUnavailableError at once.
    `batches` and `orders` count what has been written.
    """

    def __init__(
        self,
        database: Database,
        apply: Callable[[Connection, Sequence[T]], list[Any]],
        keep: Callable[[T], bool],
    ) -> None:
        self._database = database
        self._apply = apply
        self._keep = keep
        self._waiting: list[_Waiting[T]] = []
        self._later: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self.batches = 0
        self.orders = 0

    @property
    def waiting(self) -> int:
        """Orders that are not written yet, apart from the batch being written."""
        return len(self._waiting)

    async def write(self, order: T) -> Any:
        """Write one order at once, and everything that waits with it; returns its outcome once it is durable."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((order, future))
        self._wake.set()
        return await future

    def write_later(self, order: T) -> None:
        """Write one order that nobody waits for: with the next batch, or LATER_S from now. It must be one to keep."""
        self._waiting.append((order, None))
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(LATER_S, self._wake.set)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write what comes until the end of the block, and what is left then."""
        task = asyncio.create_task(self._run(), name="group-writer")
        try:
            yield
        finally:
            self._closing = True
            self._wake.set()
            await task

    async def _run(self) -> None:
        pause = RETRY_FIRST_S
        while True:
            await self._wake.wait()
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            if self._later is not None:
                self._later.cancel()
                self._later = None
            if not batch:
                if self._closing:
                    return
                self._wake.clear()
                continue
            try:
                await self._write(batch)
                pause = RETRY_FIRST_S
            except DatabaseUnavailableError as error:
                kept = self._refuse(batch, error)
                self._waiting[:0] = kept
                log.warning("database_unavailable", kept=len(kept), retry_s=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MOST_S)

    async def _write(self, batch: list[_Waiting[T]]) -> None:
        try:
            orders = [order for order, _ in batch]
            outcomes = await self._database.write_with(lambda connection: self._apply(connection, orders))
        except DatabaseUnavailableError:
            raise
        except Exception as error:  # whatever is wrong with one order, the writer lives on
            if len(batch) == 1:
                log.exception("write_refused", order=type(batch[0][0]).__name__)
                _tell(batch[0][1], error)
                return
            for one in batch:  # one of them is wrong: it must not take the others with it
                await self._write([one])
            return
        self.batches += 1
        self.orders += len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            _tell(future, outcome)

    def _refuse(self, batch: list[_Waiting[T]], error: DatabaseUnavailableError) -> list[_Waiting[T]]:
        kept = []
        for order, future in batch:
            if self._keep(order):
                kept.append((order, future))
            else:
                _tell(future, error)
        return kept


def _tell(future: asyncio.Future[Any] | None, outcome: Any) -> None:
    if future is None or future.done():  # nobody waits, or its caller was cancelled: it is written all the same
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
