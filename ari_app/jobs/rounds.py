"""Work that is done again and again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from ari_app.errors import KakehashiError

log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def every(seconds: float, work: Callable[[], Awaitable[object]], job: str) -> AsyncIterator[None]:
    """Do `work` each time the seconds have passed, until the end of the block. A round that fails is logged."""
    task = asyncio.create_task(_rounds(seconds, work, job), name=f"job-{job}")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _rounds(seconds: float, work: Callable[[], Awaitable[object]], job: str) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except (KakehashiError, OSError) as error:
            log.warning("job_failed", job=job, error=type(error).__name__, detail=str(error))
        except Exception:
            log.exception("job_broken", job=job)
