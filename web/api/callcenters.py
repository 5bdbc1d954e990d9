"""/callcenters: コールセンター, their numbers and their agents."""

from http import HTTPStatus
from typing import Annotated

from pydantic import Field

from ari_app.domain.account import check_name
from ari_app.domain.numbers import normalise
from ari_app.domain.permissions import Action
from ari_app.domain.resources import CallCenter
from web.api.caller import Caller
from web.api.operation import Resource
from web.api.schema import (
    LEFT_OUT,
    ONE_LINE,
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

callcenters = Resource("/callcenters", "settings")

CenterName = Annotated[str, Field(pattern=ONE_LINE, min_length=1, max_length=60, examples=["東京センター"])]
Numbers = Annotated[list[TypedNumber], Field(max_length=1000, description="its numbers ダイヤルイン番号")]
Agents = Annotated[list[Line], Field(max_length=1000, description="the logins of its agents 所属エージェント")]


class NewCallCenter(Input):
    """A call center to register."""

    name: CenterName
    numbers: Numbers = Field(default_factory=list)
    agents: Agents = Field(default_factory=list)


class CallCenterChanges(Changes):
    """What to change of a call center; a list replaces the one there was."""

    name: CenterName = LEFT_OUT
    numbers: Numbers = LEFT_OUT
    agents: Agents = LEFT_OUT


class CallCenterView(View):
    """A call center."""

    id: Id
    name: str
    numbers: list[Digits]
    agents: list[str]


class CallCenterList(ListView[CallCenterView]):
    """Call centers, by id."""


@callcenters.operation("GET", needs=Action.MANAGE_SETTINGS)
async def list_callcenters(caller: Caller, query: PageQuery) -> CallCenterList:
    """List the call centers."""
    page, following = settings_page(await caller.services.numbers.all_call_centers(), query)
    return CallCenterList(items=[_view(center) for center in page], next=following)


@callcenters.operation("POST", needs=Action.MANAGE_SETTINGS, status=HTTPStatus.CREATED)
async def add_callcenter(caller: Caller, body: NewCallCenter) -> CallCenterView:
    """Register a call center."""
    services = caller.services
    name, numbers = check_name(body.name), _digits(body.numbers)
    return _view(await services.numbers.add_call_center(name, numbers, body.agents, services.clock.now()))


@callcenters.operation("GET", "/{id}", needs=Action.MANAGE_SETTINGS)
async def get_callcenter(caller: Caller, id: Id) -> CallCenterView:  # noqa: A002 - the path's word
    """Read a call center."""
    return _view(await caller.services.numbers.get_call_center(id))


@callcenters.operation("PATCH", "/{id}", needs=Action.MANAGE_SETTINGS)
async def change_callcenter(caller: Caller, id: Id, body: CallCenterChanges) -> CallCenterView:  # noqa: A002
    """Change a call center."""
    given = body.given()
    center = await caller.services.numbers.set_call_center(
        id,
        name=check_name(body.name) if "name" in given else None,
        numbers=_digits(body.numbers) if "numbers" in given else None,
        logins=given.get("agents"),
    )
    return _view(center)


@callcenters.operation("DELETE", "/{id}", needs=Action.MANAGE_SETTINGS)
async def delete_callcenter(caller: Caller, id: Id) -> None:  # noqa: A002
    """Remove a call center, and the grants of it with it."""
    await caller.services.numbers.delete_call_center(id)


def _digits(typed: list[str]) -> list[str]:
    return [normalise(tel, "numbers") for tel in typed]


def _view(center: CallCenter) -> CallCenterView:
    return CallCenterView(id=center.id, name=center.name, numbers=center.numbers, agents=center.agents)
