"""Logs of refused writes are kept off the terminal: drawing their tracebacks takes seconds."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What was logged."""
    with capture_logs() as entries:
        yield entries
