"""/prefixes: プレフィックス番号, digits that choose the caller ID of the customer's leg."""

from http import HTTPStatus
from typing import Annotated

from pydantic import Field

from ari_app.domain.numbers import normalise
from ari_app.domain.permissions import Action
from ari_app.domain.prefix import check_prefix
from ari_app.domain.resources import Prefix
from web.api.caller import Caller
from web.api.operation import Resource
from web.api.schema import LEFT_OUT, Changes, Digits, Id, Input, ListView, PageQuery, TypedNumber, View, settings_page

prefixes = Resource("/prefixes", "settings")

PrefixDigits = Annotated[
    str, Field(max_length=2, description="1–2 digits, no 0, not the beginning of 184", examples=["7"])
]


class NewPrefix(Input):
    """A prefix to register for a number of the company."""

    digits: PrefixDigits
    tel: TypedNumber


class PrefixChanges(Changes):
    """What to change of a prefix."""

    digits: PrefixDigits = LEFT_OUT
    tel: TypedNumber = LEFT_OUT


class PrefixView(View):
    """A prefix and the number it shows."""

    id: Id
    digits: str
    tel: Digits


class PrefixList(ListView[PrefixView]):
    """Prefixes, by id."""


@prefixes.operation("GET", needs=Action.MANAGE_SETTINGS)
async def list_prefixes(caller: Caller, query: PageQuery) -> PrefixList:
    """List the prefixes."""
    page, following = settings_page(await caller.services.numbers.all_prefixes(), query)
    return PrefixList(items=[_view(prefix) for prefix in page], next=following)


@prefixes.operation("POST", needs=Action.MANAGE_SETTINGS, status=HTTPStatus.CREATED)
async def add_prefix(caller: Caller, body: NewPrefix) -> PrefixView:
    """Register a prefix."""
    return _view(await caller.services.numbers.add_prefix(check_prefix(body.digits), normalise(body.tel, "tel")))


@prefixes.operation("GET", "/{id}", needs=Action.MANAGE_SETTINGS)
async def get_prefix(caller: Caller, id: Id) -> PrefixView:  # noqa: A002 - the path's word
    """Read a prefix."""
    return _view(await caller.services.numbers.get_prefix(id))


@prefixes.operation("PATCH", "/{id}", needs=Action.MANAGE_SETTINGS)
async def change_prefix(caller: Caller, id: Id, body: PrefixChanges) -> PrefixView:  # noqa: A002
    """Change a prefix."""
    given = body.given()
    digits = check_prefix(body.digits) if "digits" in given else None
    tel = normalise(body.tel, "tel") if "tel" in given else None
    return _view(await caller.services.numbers.set_prefix(id, digits=digits, tel=tel))


@prefixes.operation("DELETE", "/{id}", needs=Action.MANAGE_SETTINGS)
async def delete_prefix(caller: Caller, id: Id) -> None:  # noqa: A002
    """Remove a prefix."""
    await caller.services.numbers.delete_prefix(id)


def _view(prefix: Prefix) -> PrefixView:
    return PrefixView(id=prefix.id, digits=prefix.digits, tel=prefix.tel)
