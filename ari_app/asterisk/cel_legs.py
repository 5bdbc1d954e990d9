"""The legs of our calls as Asterisk's CEL tells them, a slice of time after another, the newest first.

Memory holds the legs of one slice and of the calls that were going on at its end, however long the period is.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ari_app.asterisk.cel import SLACK, events, extra
from ari_app.domain.callback import call_of_channel, first_id, is_call_id
from ari_app.domain.leg import Role
from ari_app.domain.reconciliation import SwitchLeg

SLICE = timedelta(minutes=5)
EVER, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

CallLegs = dict[str, dict[Role, SwitchLeg]]


@dataclass(frozen=True, slots=True)
class LegSlice:
    """The legs of the calls placed from `start` up to but not including `end`, by call and role.

    `begins` is the time of the oldest event read: of what happened before it the file tells nothing.
    """

    start: datetime
    end: datetime
    legs: CallLegs
    begins: datetime


async def leg_slices(file: Path, start: datetime, end: datetime) -> AsyncIterator[LegSlice]:
    """The slices of a period, newest first; the file is read in a thread. Raises OSError."""
    slices = _slices(file, start, end)
    while (found := await asyncio.to_thread(next, slices, None)) is not None:
        yield found


def _slices(file: Path, start: datetime, end: datetime) -> Iterator[LegSlice]:
    legs: CallLegs = {}
    begins = NEVER
    bounds = _bounds(start, end)
    low, high = next(bounds)
    for event in events(file, EVER):
        begins = min(begins, event["at"])
        if event["at"] < start - SLACK:
            break
        while event["at"] < low - SLACK:
            yield _cut(legs, low, high, begins)
            low, high = next(bounds)
        channel = str(event.get("uniqueid"))
        call_id = call_of_channel(channel)
        if call_id is not None and is_call_id(call_id) and first_id(start) <= call_id < first_id(high):
            _take(legs.setdefault(call_id, {}), Role(int(channel[-1])), event)
    yield _cut(legs, low, high, begins)
    for low, high in bounds:
        yield _cut(legs, low, high, begins)


def _bounds(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while end > start:
        yield max(start, end - SLICE), end
        end -= SLICE


def _cut(legs: CallLegs, low: datetime, high: datetime, begins: datetime) -> LegSlice:
    mine = [call_id for call_id in legs if call_id >= first_id(low)]
    return LegSlice(low, high, {call_id: legs.pop(call_id) for call_id in mine}, begins)


def _take(legs: dict[Role, SwitchLeg], role: Role, event: dict[str, Any]) -> None:
    leg, at = legs.get(role, SwitchLeg()), event["at"]
    match event.get("eventtype"):
        case "CHAN_START":
            legs[role] = replace(leg, created_at=at)
        case "BRIDGE_ENTER":
            legs[role] = replace(leg, bridged_at=at)
        case "ANSWER":
            legs[role] = replace(leg, answered_at=at)
        case "HANGUP":
            told = extra(event)
            cause, source = int(told.get("hangupcause", 0)), bool(told.get("hangupsource"))
            legs[role] = replace(leg, ended_at=at, cause=cause, source_named=source)
