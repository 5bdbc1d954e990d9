"""What each contender does: place two-leg calls at a fixed number in flight, for some seconds."""

import asyncio
import time
from typing import Any, Protocol

from tests.bench import child

STRAGGLER_S = 15


class Contender(Protocol):
    """One way to place a call."""

    async def call(self, slot: int) -> None:
        """Place the call of a slot; returns once it is over and its user could know it."""

    async def totals(self) -> dict[str, float]:
        """Counters that only grow, for the parent to subtract; empty where there are none."""


async def compete(contender: Contender) -> None:
    """Serve the parent's rounds: `seconds`, `concurrency`."""

    async def answer(command: dict[str, Any]) -> dict[str, Any]:
        return await _round(contender, command["seconds"], command["concurrency"])

    await child.serve(answer)


async def _round(contender: Contender, seconds: float, concurrency: int) -> dict[str, Any]:
    before, cpu_before = await contender.totals(), child.cpu_s()
    began = time.monotonic()
    ends: list[float] = []
    errors: list[str] = []

    async def work(slot: int) -> None:
        while time.monotonic() < began + seconds:
            try:
                async with asyncio.timeout(STRAGGLER_S):
                    await contender.call(slot)
            except Exception as error:  # noqa: BLE001 - a failed call is a result here
                errors.append(repr(error))
            else:
                ends.append(time.monotonic())

    await asyncio.gather(*(work(slot) for slot in range(concurrency)))
    cpu = child.cpu_s() - cpu_before
    after = await contender.totals()
    return {
        "calls": len(ends),
        "in_time": sum(end <= began + seconds for end in ends),
        "seconds": seconds,
        "failed": len(errors),
        "errors": errors[:3],
        "cpu_s": cpu,
        "totals": {name: after[name] - before[name] for name in after},
    }
