"""Logs: one event a line on a stream, JSON or for people; never a phone number, never a secret."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from typing import Any, TextIO

import structlog

REDACTED = "…"
# A word made of nine digits or more, hyphens aside, is a phone number; ids of calls and channels hold letters.
_NUMBER = re.compile(r"(?<!\w)\+?[0-9](?:-?[0-9]){8,29}(?!\w)")
_SECRET = re.compile(r"password|secret|token|authorization|cookie|csrf", re.IGNORECASE)


class Format(StrEnum):
    """How a line looks; `auto` is for people on a terminal, JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class Level(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure(format_: Format = Format.AUTO, level: Level = Level.INFO, stream: TextIO | None = None) -> None:
    """Send every log of the process, the libraries' too, to `stream` (default: stderr).

    Libraries are heard from WARNING on. What is bound with `structlog.contextvars` (call_id) is in every line.
    """
    stream = stream or sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    as_json = format_ is Format.JSON or (format_ is Format.AUTO and not stream.isatty())
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Take phone numbers and secrets out of a line, wherever they are in it."""
    return {key: REDACTED if _SECRET.search(key) else _redacted(value) for key, value in event.items()}


def _redacted(value: object) -> object:
    if isinstance(value, str):
        return _NUMBER.sub(REDACTED, value)
    if isinstance(value, Mapping):
        return {key: REDACTED if _SECRET.search(str(key)) else _redacted(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(part) for part in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _NUMBER.sub(REDACTED, str(value))
