"""Asterisk's own record of what happened to channels (CEL): what to believe when nobody was listening.

The file is written by cel_custom, one JSON object a line; asterisk-docker/etc/asterisk/cel_custom.conf sets its shape.
"""

import asyncio
import gzip
import json
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import structlog

from ari_app.ports import PastLeg

CHUNK_BYTES = 256 * 1024
SLACK = timedelta(minutes=1)  # lines of different channels are not strictly in order

log = structlog.get_logger(__name__)


class CelFile:
    """Implements `ports.PastLegs` over the CEL file of an Asterisk on this machine."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    async def look_up(self, channel_ids: Collection[str], since: datetime) -> dict[str, PastLeg]:
        """Those of the channels that were answered or have ended, from events not older than `since`."""
        if self._file is None or not self._file.is_file() or not channel_ids:
            return {}
        return await asyncio.to_thread(_look_up, self._file, set(channel_ids), since - SLACK)


def events(file: Path, since: datetime) -> Iterator[dict[str, Any]]:
    """The events since then, newest first, those of its rotations too (`FILE.1`, `FILE.2.gz`, …).

    A line cut short by a crash is passed over.
    """
    for line in (line for part in [file, *_rotations(file)] for line in _lines_backwards(part)):
        try:
            event = json.loads(line)
            at = datetime.fromtimestamp(float(event["eventtime"]), UTC)
        except (ValueError, KeyError, TypeError):
            log.warning("cel_line_unreadable", file=file.name)
            continue
        if at < since:
            return
        yield {**event, "at": at}


def _look_up(file: Path, channel_ids: set[str], since: datetime) -> dict[str, PastLeg]:
    found: dict[str, PastLeg] = {}
    for event in events(file, since):
        channel = event.get("uniqueid")
        if channel not in channel_ids:
            continue
        known = found.get(channel, PastLeg(None, None, 0))
        if event.get("eventtype") == "ANSWER":
            found[channel] = replace(known, answered_at=event["at"])
        elif event.get("eventtype") == "HANGUP":
            found[channel] = replace(known, ended_at=event["at"], cause=int(extra(event).get("hangupcause", 0)))
    return found


def extra(event: dict[str, Any]) -> dict[str, Any]:
    """What an event tells beside its columns: `hangupcause`, `hangupsource` of a HANGUP."""
    try:
        told = json.loads(event.get("eventextra") or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _rotations(file: Path) -> list[Path]:
    """The older parts of a rotated file, the newest first."""
    number = re.compile(re.escape(file.name) + r"\.(\d+)(?:\.gz)?")
    found = [(int(match[1]), path) for path in file.parent.iterdir() if (match := number.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def _lines_backwards(file: Path) -> Iterator[bytes]:
    with _open(file) as stream:
        position = stream.seek(0, 2)
        rest = b""
        while position > 0:
            start = max(0, position - CHUNK_BYTES)
            stream.seek(start)
            lines = (stream.read(position - start) + rest).split(b"\n")
            rest = lines[0]
            position = start
            yield from (line for line in reversed(lines[1:]) if line.strip())
        if rest.strip():
            yield rest


def _open(file: Path) -> IO[bytes]:
    if file.suffix != ".gz":
        return file.open("rb")
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it; a .gz cannot be read backwards
    with gzip.open(file) as packed:
        shutil.copyfileobj(packed, unpacked)
    return unpacked
