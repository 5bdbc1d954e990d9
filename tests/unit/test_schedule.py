"""Periods: half-open UTC ranges from a local calendar."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ari_app.domain.schedule import ALWAYS, Period, Preset, parse_local, preset_period
from ari_app.errors import PeriodError

TOKYO = ZoneInfo("Asia/Tokyo")
NEW_YORK = ZoneInfo("America/New_York")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# 「通話終了時刻にて「24:00」の選択が可能です。」
@pytest.mark.parametrize(
    ("typed", "moment"),
    [
        ("2026-11-21", "2026-11-20T15:00"),
        ("2026-11-21 00:00", "2026-11-20T15:00"),
        ("2026-11-21 09:30", "2026-11-21T00:30"),
        ("2026-11-21T09:30:15", "2026-11-21T00:30:15"),
        (" 2026-11-21 23:59:59 ", "2026-11-21T14:59:59"),
        ("2026-11-21 24:00", "2026-11-21T15:00"),
        ("2026-11-21T24:00:00", "2026-11-21T15:00"),
        ("2026-12-31 24:00", "2026-12-31T15:00"),
        ("2028-02-28 24:00", "2028-02-28T15:00"),
        ("2026-11-21T09:30:00+09:00", "2026-11-21T00:30"),
        ("2026-11-21T00:30:00Z", "2026-11-21T00:30"),
        ("2026-11-21T00:30:00-05:00", "2026-11-21T05:30"),
    ],
)
def test_a_typed_moment(typed: str, moment: str) -> None:
    assert parse_local(typed, TOKYO, "to") == utc(moment)


@pytest.mark.parametrize(
    "typed",
    [
        "", "x", "2026-13-01", "2026-02-30", "2026-11-21 24:01", "2026-11-21 25:00", "2026-11-21 23:60",
        "2026-11-21 24:00:01", "9999-12-31 24:00", "0001-01-01 00:00", "2026/11/21", "20261121T999999",
        "２０２６-11-21",
    ],
)  # fmt: skip
def test_no_moment(typed: str) -> None:
    with pytest.raises(PeriodError) as refusal:
        parse_local(typed, TOKYO, "to")
    assert refusal.value.field == "to"


def test_a_day_may_have_23_hours() -> None:
    """24:00 is the next day's 00:00, not 24 hours later."""
    assert parse_local("2026-03-08 24:00", NEW_YORK, "to") == utc("2026-03-09T04:00")
    assert parse_local("2026-03-08", NEW_YORK, "from") == utc("2026-03-08T05:00")


@pytest.mark.parametrize(
    ("preset", "start", "end"),
    [
        (Preset.TODAY, "2026-11-21", "2026-11-22"),
        (Preset.YESTERDAY, "2026-11-20", "2026-11-21"),
        (Preset.THIS_WEEK, "2026-11-16", "2026-11-23"),
        (Preset.THIS_MONTH, "2026-11-01", "2026-12-01"),
        (Preset.LAST_7_DAYS, "2026-11-15", "2026-11-22"),
    ],
)
@pytest.mark.parametrize("hour", ["00:00", "12:00", "23:59:59"])
def test_presets(preset: Preset, start: str, end: str, hour: str) -> None:
    """2026-11-21 is a Saturday; days are the users', not UTC's."""
    now = parse_local(f"2026-11-21 {hour}", TOKYO, "now")
    period = preset_period(preset, now, TOKYO)
    assert period == Period(parse_local(start, TOKYO, "from"), parse_local(end, TOKYO, "to"))
    assert period.start is not None
    assert period.end is not None
    if preset is not Preset.YESTERDAY:
        assert period.start <= now < period.end


@pytest.mark.parametrize(("month", "end"), [("2026-01", "2026-02"), ("2026-02", "2026-03"), ("2026-12", "2027-01")])
@pytest.mark.parametrize("day", ["01", "28"])
def test_this_month(month: str, end: str, day: str) -> None:
    period = preset_period(Preset.THIS_MONTH, parse_local(f"{month}-{day}", TOKYO, "now"), TOKYO)
    expected = Period(parse_local(f"{month}-01", TOKYO, "from"), parse_local(f"{end}-01", TOKYO, "to"))
    assert period == expected


@pytest.mark.parametrize("end", ["2026-11-21T00:00", "2026-11-20T00:00"])
def test_a_period_ends_after_it_begins(end: str) -> None:
    with pytest.raises(PeriodError):
        Period(utc("2026-11-21T00:00"), utc(end))


def test_open_periods() -> None:
    assert Period() == ALWAYS
    assert Period(start=utc("2026-11-21T00:00")).end is None
