"""/grants: 権限, the resources an account is granted."""

from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import Field

from ari_app.domain.numbers import normalise
from ari_app.domain.permissions import Action
from ari_app.domain.resources import Grant, Level, ResourceKind
from web.api.caller import Caller
from web.api.operation import Resource
from web.api.schema import LEFT_OUT, Changes, Id, Input, Line, ListView, PageQuery, View, settings_page

grants = Resource("/grants", "settings")

Kind = Literal["number", "callcenter"]


class NewGrant(Input):
    """A resource to grant; granted again, its level changes."""

    account: Annotated[Line, Field(description="login")]
    kind: Kind
    resource: Annotated[Line, Field(description="the number's digits, or the call center's name")]
    level: Level = Level.VIEW


class GrantChanges(Changes):
    """What can change of a grant."""

    level: Level = LEFT_OUT


class GrantView(View):
    """A granted resource."""

    id: Id
    account: str
    kind: ResourceKind
    resource: str
    level: Level


class GrantList(ListView[GrantView]):
    """Grants, by id."""


@grants.operation("GET", needs=Action.MANAGE_SETTINGS)
async def list_grants(caller: Caller, query: PageQuery) -> GrantList:
    """List the grants of all accounts."""
    page, following = settings_page(await caller.services.accounts.grants(), query)
    return GrantList(items=[_view(grant) for grant in page], next=following)


@grants.operation("POST", needs=Action.MANAGE_SETTINGS, status=HTTPStatus.CREATED)
async def add_grant(caller: Caller, body: NewGrant) -> GrantView:
    """Grant a resource."""
    kind = ResourceKind(body.kind)
    resource = normalise(body.resource, "resource") if kind is ResourceKind.NUMBER else body.resource
    return _view(await caller.services.accounts.grant(body.account, kind, resource, body.level))


@grants.operation("GET", "/{id}", needs=Action.MANAGE_SETTINGS)
async def get_grant(caller: Caller, id: Id) -> GrantView:  # noqa: A002 - the path's word
    """Read a grant."""
    return _view(await caller.services.accounts.get_grant(id))


@grants.operation("PATCH", "/{id}", needs=Action.MANAGE_SETTINGS)
async def change_grant(caller: Caller, id: Id, body: GrantChanges) -> GrantView:  # noqa: A002
    """Change a grant's level."""
    store = caller.services.accounts
    return _view(await store.set_grant(id, body.level) if body.given() else await store.get_grant(id))


@grants.operation("DELETE", "/{id}", needs=Action.MANAGE_SETTINGS)
async def delete_grant(caller: Caller, id: Id) -> None:  # noqa: A002
    """Take a grant back."""
    await caller.services.accounts.revoke(id)


def _view(grant: Grant) -> GrantView:
    return GrantView(id=grant.id, account=grant.login, kind=grant.kind, resource=grant.resource, level=grant.level)
