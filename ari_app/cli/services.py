"""How a command gets at the installation."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from ari_app.config import load_settings

if TYPE_CHECKING:
    from web.services import Services

T = TypeVar("T")


def with_services(work: Callable[["Services"], Awaitable[T]]) -> T:
    """Do `work` with the installation's objects, without telephony; the schema is upgraded first."""
    from ari_app.main import open_services  # takes a second to load: not for `--help`

    async def run() -> T:
        async with open_services(load_settings()) as services:
            return await work(services)

    return asyncio.run(run())
