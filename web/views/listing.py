"""What the lists share: the period in the URL, the place in the pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from ari_app.domain.numbers import normalise
from ari_app.domain.permissions import Principal, Reach
from ari_app.domain.schedule import Period, Preset, parse_local, preset_period
from ari_app.errors import InvalidInputError, KakehashiError, PeriodError
from db.paging import Cursor, Page
from web.services import Services

ROWS = 50
HALF_HOURS = tuple(f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 30))
DEFAULT_PRESET = Preset.LAST_7_DAYS
PRESETS = {
    Preset.TODAY: "今日",
    Preset.YESTERDAY: "昨日",
    Preset.THIS_WEEK: "今週",
    Preset.THIS_MONTH: "今月",
    Preset.LAST_7_DAYS: "過去7日",
}
_PAGE_KEYS = frozenset({"cursor", "at"})
_PERIOD_KEYS = frozenset({"preset", "from", "from_time", "to", "to_time"})


@dataclass(frozen=True, slots=True)
class PeriodFields:
    """The period as the form shows it: dates YYYY-MM-DD, times HH:MM, 24:00 at the end of a day."""

    from_date: str
    from_time: str
    to_date: str
    to_time: str
    preset: Preset | None = None

    @property
    def from_times(self) -> tuple[str, ...]:
        """The times offered for the beginning."""
        return _with(HALF_HOURS, self.from_time)

    @property
    def to_times(self) -> tuple[str, ...]:
        """The times offered for the end."""
        return _with((*HALF_HOURS, "24:00"), self.to_time)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of rows is: `first` to `last` of `total`, and the addresses of its neighbours."""

    first: int
    last: int
    total: int
    newest: str | None
    newer: str | None
    older: str | None


@dataclass(slots=True)
class Conditions:
    """The query of a list as it is read; the first thing wrong with it is kept in `error`."""

    query: Mapping[str, str]
    error: KakehashiError | None = None
    period: Period = field(default_factory=Period)
    period_fields: PeriodFields = field(default_factory=lambda: PeriodFields("", "00:00", "", "24:00"))

    def read_period(self, now: datetime, zone: ZoneInfo) -> None:
        """Read preset, or from, from_time, to, to_time; without any the default preset."""
        query = self.query
        if _PERIOD_KEYS.isdisjoint(query) or "preset" in query:
            preset = _preset(query.get("preset", ""))
            self.period = preset_period(preset, now, zone)
            self.period_fields = _fields(self.period, zone, preset)
            return
        texts = PeriodFields(
            query.get("from", ""), query.get("from_time", "00:00"), query.get("to", ""), query.get("to_time", "24:00")
        )
        self.period_fields = texts
        try:
            start = parse_local(f"{texts.from_date} {texts.from_time}", zone, "from") if texts.from_date else None
            end = parse_local(f"{texts.to_date} {texts.to_time}", zone, "to") if texts.to_date else None
            self.period = Period(start, end)
        except PeriodError as error:
            self.error = self.error or error

    def read_number(self, name: str) -> str | None:
        """The digits of a typed number, None where none was typed."""
        if not (text := self.query.get(name, "").strip()):
            return None
        try:
            return normalise(text, name)
        except KakehashiError as error:
            self.error = self.error or error
            return None

    def cursor(self) -> Cursor | None:
        """The place in the pages. Raises InvalidInputError."""
        if not (text := self.query.get("cursor")):
            return None
        cursor = Cursor.decode(text)
        if not isinstance(cursor.id, str) or not cursor.id.isalnum():
            raise InvalidInputError(field="cursor")
        return cursor

    def place(self, request: web.Request, page: Page[Any]) -> Place:
        """Where `page` is, told from the URL that led to it."""
        typed = self.query.get("at", "")
        first = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 and page.previous else 1
        shown = len(page.items)
        return Place(
            first if shown else 0,
            first + shown - 1 if shown else 0,
            page.total,
            self.url(request) if page.previous else None,
            self.url(request, cursor=page.previous.encode(), at=max(1, first - ROWS)) if page.previous else None,
            self.url(request, cursor=page.next.encode(), at=first + shown) if page.next else None,
        )

    def url(self, request: web.Request, **changes: Any) -> str:
        """This list's address with other conditions; the place in the pages is left out."""
        dropped = _PAGE_KEYS | (_PERIOD_KEYS if "preset" in changes else frozenset())
        kept = {key: value for key, value in self.query.items() if key not in dropped and value}
        query = urlencode(kept | {key: value for key, value in changes.items() if value is not None})
        return f"{request.path}?{query}" if query else request.path


async def nothing_granted(services: Services, principal: Principal) -> bool:
    """Whether the lists stay empty because nobody has granted this account anything yet."""
    return principal.reach is Reach.GRANTED and not await services.accounts.granted_numbers(principal.account.id)


def _preset(text: str) -> Preset:
    return Preset(text) if text in list(Preset) else DEFAULT_PRESET


def _fields(period: Period, zone: ZoneInfo, preset: Preset) -> PeriodFields:
    assert period.start is not None and period.end is not None
    last_day = (period.end - timedelta(seconds=1)).astimezone(zone)
    return PeriodFields(
        period.start.astimezone(zone).strftime("%Y-%m-%d"), "00:00", last_day.strftime("%Y-%m-%d"), "24:00", preset
    )


def _with(times: tuple[str, ...], chosen: str) -> tuple[str, ...]:
    return times if chosen in times else tuple(sorted((*times, chosen)))
