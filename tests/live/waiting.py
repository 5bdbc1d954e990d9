"""Waiting for what must come true, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.05


async def eventually(look: Callable[[], Awaitable[T] | T], limit_s: float = 10) -> T:
    """What `look` sees, as soon as it is true."""
    deadline = time.monotonic() + limit_s
    while True:
        seen = look()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return seen
        assert time.monotonic() < deadline, f"nothing after {limit_s} s"
        await asyncio.sleep(POLL_S)


@asynccontextmanager
async def in_own_task(context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave `context` in one task, as task groups need it: pytest runs a fixture's two halves in two."""
    entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        async with context as value:
            entered.set_result(value)
            await leave.wait()

    task = asyncio.create_task(hold())
    await asyncio.wait({task, entered}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield entered.result()
    finally:
        leave.set()
        await task
