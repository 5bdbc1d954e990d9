"""/numbers: 電話番号, the numbers the company owns."""

from http import HTTPStatus

from ari_app.domain.numbers import check_company_number
from ari_app.domain.permissions import Action
from ari_app.domain.resources import Number
from web.api.caller import Caller
from web.api.operation import Resource
from web.api.schema import (
    LEFT_OUT,
    Changes,
    Digits,
    Id,
    Input,
    Line,
    ListView,
    PageQuery,
    TypedNumber,
    View,
    settings_page,
)

numbers = Resource("/numbers", "settings")


class NewNumber(Input):
    """A number to register."""

    tel: TypedNumber
    name: Line = ""


class NumberChanges(Changes):
    """What can change of a number: its digits cannot."""

    name: Line = LEFT_OUT


class NumberView(View):
    """A number of the company, in national digits."""

    id: Id
    tel: Digits
    name: str


class NumberList(ListView[NumberView]):
    """Numbers, by id."""


@numbers.operation("GET", needs=Action.MANAGE_SETTINGS)
async def list_numbers(caller: Caller, query: PageQuery) -> NumberList:
    """List the company's numbers."""
    page, following = settings_page(await caller.services.numbers.all(), query)
    return NumberList(items=[_view(number) for number in page], next=following)


@numbers.operation("POST", needs=Action.MANAGE_SETTINGS, status=HTTPStatus.CREATED)
async def add_number(caller: Caller, body: NewNumber) -> NumberView:
    """Register a number."""
    services = caller.services
    tel = check_company_number(body.tel)
    return _view(await services.numbers.add(tel, body.name, services.clock.now()))


@numbers.operation("GET", "/{id}", needs=Action.MANAGE_SETTINGS)
async def get_number(caller: Caller, id: Id) -> NumberView:  # noqa: A002 - the path's word
    """Read a number."""
    return _view(await caller.services.numbers.get(id))


@numbers.operation("PATCH", "/{id}", needs=Action.MANAGE_SETTINGS)
async def change_number(caller: Caller, id: Id, body: NumberChanges) -> NumberView:  # noqa: A002
    """Rename a number."""
    store = caller.services.numbers
    return _view(await store.rename(id, body.name) if body.given() else await store.get(id))


@numbers.operation("DELETE", "/{id}", needs=Action.MANAGE_SETTINGS)
async def delete_number(caller: Caller, id: Id) -> None:  # noqa: A002
    """Remove a number.

    Its prefixes, its place in call centers and the grants of it go with it; records keep its digits.
    """
    await caller.services.numbers.delete(id)


def _view(number: Number) -> NumberView:
    return NumberView(id=number.id, tel=number.tel, name=number.name)
