"""Logs hold no phone number and no secret, whoever writes them."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ari_app.logging import Format, Level, configure

CALL_ID = "01a1fdefc46a035475a3a68f9e786609"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    handlers, level = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    configure(Format.JSON, Level.INFO, stream)
    yield stream
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_numbers_and_secrets_are_taken_out(stream: io.StringIO) -> None:
    log = structlog.get_logger("test")
    with structlog.contextvars.bound_contextvars(call_id=CALL_ID):
        log.info(
            "dialled 09012345678",
            endpoint="PJSIP/09012345678@trunk",
            typed=["090-1234-5678", "+819012345678"],
            channel_id=f"{CALL_ID}-1",
            ari_password="hush",
            headers={"Authorization": "Bearer hush"},
            ring_s=30,
        )
    (line,) = lines(stream)
    assert "1234" not in stream.getvalue()
    assert "hush" not in stream.getvalue()
    assert (line["call_id"], line["channel_id"], line["ring_s"]) == (CALL_ID, f"{CALL_ID}-1", 30)


def test_libraries_and_tracebacks_are_cleaned_too(stream: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").error("no route to %s", "09012345678")
    try:
        raise ValueError("09012345678")
    except ValueError:
        structlog.get_logger("test").exception("call_broken")
        logging.getLogger("aiohttp.server").exception("broken")
    first, second, third = lines(stream)
    assert "09012345678" not in stream.getvalue()
    assert first["event"] == "no route to …"
    assert "ValueError" in second["exception"]
    assert "ValueError" in third["exception"]


def test_level(stream: io.StringIO) -> None:
    structlog.get_logger("test").debug("detail")
    logging.getLogger("library").info("chatter")
    assert lines(stream) == []
