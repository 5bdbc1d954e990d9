"""A process of its own for each part of the benchmark, so that each one's CPU time is its own.

Parent and child speak JSON, one object a line: a command in, one answer out.
"""

import asyncio
import json
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

LINE_BYTES = 64 * 1024 * 1024
END_LIMIT_S = 20


class ChildError(Exception):
    """A part of the benchmark died; its words are on stderr."""


class Child:
    """The parent's side. Use `started`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, **command: Any) -> dict[str, Any]:
        """One command, one answer. Raises ChildError."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        """The next line of the child."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise ChildError
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def started(module: str, settings: dict[str, Any]) -> AsyncIterator[Child]:
    """`python -m module SETTINGS`, ready; ends with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        json.dumps(settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    try:
        child = Child(process)
        await child.answer()
        yield child
    finally:
        if process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()  # the end of its input is the end of its work
            try:
                async with asyncio.timeout(END_LIMIT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def serve(answer: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
    """The child's side: ready, then one answer a command, until the parent closes."""
    reader = asyncio.StreamReader(LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _say({"ready": True})
    while line := await reader.readline():
        _say(await answer(json.loads(line)))


def settings() -> dict[str, Any]:
    """What the parent gave on the command line."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def cpu_s() -> float:
    """CPU seconds of this process, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
