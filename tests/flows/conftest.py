"""One callback on a scripted Asterisk; after each test nothing of it may be left anywhere."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from ari_app.domain.callback import Acceptance
from tests.fakes.scene import Scene, new_call, open_scene

DEFECTS = {"listener_broken", "call_broken"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own patience with a switch that is gone, shortened."""
    monkeypatch.setattr("ari_app.ari.client.RETRY_FIRST_S", 0.002)
    monkeypatch.setattr("ari_app.ari.client.RECONNECT_WITHIN_S", 0.3)
    monkeypatch.setattr("ari_app.ari.line.GONE_WITHIN_S", 0.3)
    monkeypatch.setattr("ari_app.ari.line.SETTLED_WITHIN_S", 0.1)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What was logged; a defect of ours is never only logged here."""
    with capture_logs() as entries:
        yield entries
    assert [entry for entry in entries if entry["event"] in DEFECTS] == []


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A callback without an acceptance key."""
    async with open_scene(new_call()) as opened:
        yield opened


@pytest.fixture
async def guarded() -> AsyncIterator[Scene]:
    """A callback whose agent accepts with 1."""
    async with open_scene(new_call(Acceptance.PRESS1)) as opened:
        yield opened
