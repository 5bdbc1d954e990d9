"""One PBX with the simulated carrier, and one company on it, for all live tests that need nothing of their own."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from ari_app.asterisk.rootfs import build_rootfs

from .exchange import Exchange, running_exchange, settings_for
from .office import Office, open_office
from .waiting import in_own_task


@pytest.fixture(scope="session")
def rootfs() -> None:
    """The Asterisk to run."""
    build_rootfs()


@pytest.fixture(scope="session")
def exchange(rootfs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """The PBX and the carrier."""
    with running_exchange(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def office(exchange: Exchange, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """The company whose telephony runs in this process."""
    settings = settings_for(exchange.connection, tmp_path_factory.mktemp("office"))
    async with in_own_task(open_office(settings, exchange.carrier)) as opened:
        yield opened
