"""Periods: half-open UTC ranges read from a local calendar, where 24:00 is the next day's 00:00."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from ari_app.errors import PeriodError

_LOCAL = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?)?")


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to but not including `end`, both UTC; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.start and self.end and self.end <= self.start:
            raise PeriodError(field="to")


ALWAYS = Period()


class Preset(StrEnum):
    """The periods a list offers by name."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    THIS_WEEK = "this_week"
    THIS_MONTH = "this_month"
    LAST_7_DAYS = "last_7_days"


def parse_local(text: str, zone: ZoneInfo, field: str) -> datetime:
    """A moment typed as `2026-11-21`, `2026-11-21 24:00`, or ISO 8601 with an offset, as UTC. Raises PeriodError."""
    try:
        if match := _LOCAL.fullmatch(text.strip()):
            day, hour, minute, second = match.groups(default="0")
            start = datetime.combine(date.fromisoformat(day), time(), zone)
            if (hour, minute, second) == ("24", "00", "0") or (hour, minute, second) == ("24", "00", "00"):
                return (start + timedelta(days=1)).astimezone(UTC)
            return start.replace(hour=int(hour), minute=int(minute), second=int(second)).astimezone(UTC)
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise PeriodError(field=field) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def preset_period(preset: Preset, now: datetime, zone: ZoneInfo) -> Period:
    """The period a preset means at `now` in `zone`; weeks begin on Monday."""
    today = now.astimezone(zone).date()
    first, days = {
        Preset.TODAY: (today, 1),
        Preset.YESTERDAY: (today - timedelta(days=1), 1),
        Preset.THIS_WEEK: (today - timedelta(days=today.weekday()), 7),
        Preset.THIS_MONTH: (today.replace(day=1), 31),
        Preset.LAST_7_DAYS: (today - timedelta(days=6), 7),
    }[preset]
    last = first + timedelta(days=days)
    if preset is Preset.THIS_MONTH:
        last = last.replace(day=1) if last.month != first.month else last
    return Period(_midnight(first, zone), _midnight(last, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
