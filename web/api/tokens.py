"""/tokens: bearer tokens of this API. Their secret is shown once, when they are made."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from pydantic import AwareDatetime, Field

from ari_app.domain.permissions import Action
from ari_app.errors import NotPermittedError, PeriodError
from db.access import Token
from web.api.caller import Caller
from web.api.operation import Resource
from web.api.schema import LEFT_OUT, Changes, Id, Input, Line, ListView, PageQuery, Time, View, settings_page
from web.credentials import fingerprint, new_token
from web.representation import iso_time

tokens = Resource("/tokens", "tokens")

Scopes = Annotated[
    list[Action] | None, Field(max_length=len(Action), description="null: everything the account's role may")
]


class NewToken(Input):
    """A token to make."""

    account: Annotated[Line, Field(description="login of the account it acts for")]
    name: Annotated[Line, Field(description="what it is for")] = ""
    scopes: Scopes = None
    expires_at: Annotated[AwareDatetime | None, Field(description="null: never")] = None


class TokenChanges(Changes):
    """What can change of a token."""

    name: Line = LEFT_OUT


class TokenView(View):
    """A token, without its secret."""

    id: Id
    account: str
    name: str
    scopes: list[Action] | None
    created_at: Time
    expires_at: Time | None


class MadeToken(TokenView):
    """A token with its secret: it is told this once, and kept as a hash only."""

    token: str


class TokenList(ListView[TokenView]):
    """Tokens, by id."""


@tokens.operation("GET", needs=Action.MANAGE_TOKENS)
async def list_tokens(caller: Caller, query: PageQuery) -> TokenList:
    """List the tokens of all accounts."""
    page, following = settings_page(await caller.services.access.tokens(), query)
    logins = {account.id: account.login for account in await caller.services.accounts.all()}
    return TokenList(items=[_view(token, logins[token.account_id], caller) for token in page], next=following)


@tokens.operation("POST", needs=Action.MANAGE_TOKENS, status=HTTPStatus.CREATED)
async def make_token(caller: Caller, body: NewToken) -> MadeToken:
    """Make a token.

    A token with scopes cannot make one that may more than itself.
    """
    services, now = caller.services, caller.services.clock.now()
    scopes = None if body.scopes is None else frozenset(body.scopes)
    _within(caller, scopes)
    expires_at = _utc(body.expires_at)
    if expires_at and expires_at <= now:
        raise PeriodError(field="expires_at")
    account = await services.accounts.by_login(body.account)
    secret = new_token()
    made = await services.access.add_token(fingerprint(secret), account.id, body.name, scopes, now, expires_at)
    return MadeToken(**_view(made, account.login, caller).model_dump(), token=secret)


@tokens.operation("GET", "/{id}", needs=Action.MANAGE_TOKENS)
async def get_token(caller: Caller, id: Id) -> TokenView:  # noqa: A002 - the path's word
    """Read a token, without its secret."""
    return await _named(await caller.services.access.get_token(id), caller)


@tokens.operation("PATCH", "/{id}", needs=Action.MANAGE_TOKENS)
async def change_token(caller: Caller, id: Id, body: TokenChanges) -> TokenView:  # noqa: A002
    """Rename a token."""
    store = caller.services.access
    return await _named(
        await (store.rename_token(id, body.name) if body.given() else store.get_token(id)),
        caller,
    )


@tokens.operation("DELETE", "/{id}", needs=Action.MANAGE_TOKENS)
async def revoke_token(caller: Caller, id: Id) -> None:  # noqa: A002
    """Revoke a token: it is refused from now on."""
    await caller.services.access.delete_token(id)


def _within(caller: Caller, scopes: frozenset[Action] | None) -> None:
    own = caller.principal.scopes
    if own is not None and (scopes is None or not scopes <= own):
        raise NotPermittedError


def _utc(moment: datetime | None) -> datetime | None:
    try:
        return moment and moment.astimezone(UTC)
    except OverflowError:
        raise PeriodError(field="expires_at") from None


async def _named(token: Token, caller: Caller) -> TokenView:
    return _view(token, (await caller.services.accounts.get(token.account_id)).login, caller)


def _view(token: Token, login: str, caller: Caller) -> TokenView:
    return TokenView(
        id=token.id,
        account=login,
        name=token.name,
        scopes=None if token.scopes is None else sorted(token.scopes),
        created_at=iso_time(token.created_at, caller.zone) or "",
        expires_at=iso_time(token.expires_at, caller.zone),
    )
