"""The shapes of the API's JSON: what every request and every answer has in common."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from ari_app.domain.schedule import Period, parse_local
from ari_app.errors import InvalidInputError
from db.paging import Cursor

ID_MAX = 2**31 - 1
LIMIT_DEFAULT = 50
LIMIT_MAX = 1000
ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
CALL_ID = r"^[0-9a-f]{32}$"
LEFT_OUT: Any = None

T = TypeVar("T")

# An unescaped + of an offset arrives as a space.
_OFFSET_SPACE = re.compile(r"(T\d{2}:\d{2}\S*) (?=\d{2}:?\d{2}$)")


def _whole_number(value: object) -> object:
    """A number of a URL; pydantic alone would take "1_0" and " 1" too."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) else object()


Id = Annotated[int, Field(ge=1, le=ID_MAX), BeforeValidator(_whole_number)]
CallId = Annotated[str, Field(pattern=CALL_ID, examples=["019aa4f2b1c04f5e8d7a6b5c4d3e2f10"])]
ChannelId = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,150}$", examples=["1763690000.42"])]
Line = Annotated[str, Field(pattern=ONE_LINE, max_length=120)]
TypedNumber = Annotated[str, Field(max_length=100, examples=["03-1234-5678"])]
Digits = Annotated[str, Field(examples=["0312345678"])]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Moment = Annotated[
    str,
    Field(
        max_length=40,
        description="`YYYY-MM-DD HH:MM` in the installation's time zone (24:00 is the next day's 00:00), "
        "or ISO 8601 with an offset",
        examples=["2026-11-21 09:00"],
    ),
]


class Input(BaseModel):
    """A request's body: nothing is converted, nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _no_defaults(schema: dict[str, Any]) -> None:
    for one in schema.get("properties", {}).values():
        one.pop("default", None)


class Changes(Input):
    """The body of a PATCH: what is left out (its default is LEFT_OUT) stays as it is."""

    model_config = ConfigDict(json_schema_extra=_no_defaults)

    def given(self) -> dict[str, Any]:
        """What the request names."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Parameters(BaseModel):
    """Parameters in the query or in headers: text, converted by the fields' own types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Parameters):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX), BeforeValidator(_whole_number)] = LIMIT_DEFAULT
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of the page before")] = None


class PeriodQuery(PageQuery):
    """A page of what happened in a period, half-open: from `from` up to but not including `to`."""

    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None

    def period(self, zone: ZoneInfo) -> Period:
        """Raises PeriodError."""
        return Period(_moment(self.from_, zone, "from"), _moment(self.to, zone, "to"))


class View(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListView(View, Generic[T]):
    """A page of a list; `next` is the cursor of the page after it, null at the end."""

    items: list[T]
    next: str | None = None


class Problem(View):
    """What went wrong (RFC 9457). `code` is stable, `detail` in the user's language, `field` the input it is about."""

    type: Annotated[str, Field(examples=["about:blank"])]
    title: Annotated[str, Field(examples=["Conflict"])]
    status: Annotated[int, Field(examples=[409])]
    detail: str
    code: Annotated[str, Field(examples=["capacity"])]
    field: str | None = None


class Numbered(Protocol):
    """Something with a number of its own."""

    @property
    def id(self) -> int:
        """The number."""


N = TypeVar("N", bound=Numbered)


def settings_page(items: Sequence[N], query: PageQuery) -> tuple[list[N], str | None]:
    """A page of a settings list, by id, and the cursor of the next: such a list is read whole, it is short."""
    after = _after(query.cursor)
    rest = sorted((item for item in items if item.id > after), key=lambda item: item.id)
    page = rest[: query.limit]
    return page, _encode_id(page[-1].id) if len(rest) > len(page) else None


def read_cursor(text: str | None, valid_id: Callable[[str | int], bool]) -> Cursor | None:
    """The cursor of a list that is sorted by time. Raises InvalidInputError."""
    if text is None:
        return None
    cursor = Cursor.decode(text)
    if isinstance(cursor.id, bool) or not valid_id(cursor.id):
        raise InvalidInputError(field="cursor")
    return cursor


def is_call_id(key: str | int) -> bool:
    """Whether a cursor's key is a call's."""
    return isinstance(key, str) and re.fullmatch(CALL_ID, key) is not None


def is_row_id(key: str | int) -> bool:
    """Whether a cursor's key is a row's number."""
    return isinstance(key, int) and 0 < key < 2**63


def _moment(text: str | None, zone: ZoneInfo, field: str) -> datetime | None:
    return parse_local(_OFFSET_SPACE.sub(r"\1+", text), zone, field) if text else None


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        after = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        after = None
    if type(after) is not int:
        raise InvalidInputError(field="cursor")
    return after


def _encode_id(id_: int) -> str:
    return base64.urlsafe_b64encode(str(id_).encode()).decode().rstrip("=")
