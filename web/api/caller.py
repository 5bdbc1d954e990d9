"""Who calls the API: the bearer of a token, and what they are answered with."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from aiohttp import hdrs, web

from ari_app.domain.account import Account
from ari_app.domain.permissions import Principal
from ari_app.errors import InvalidTokenError, NotFoundError, TokenMissingError
from db.reach import RowReach
from web.credentials import fingerprint
from web.language import Language, preferred_language
from web.services import SERVICES, Services


@dataclass(frozen=True, slots=True)
class Caller:
    """A request's principal, the installation it asks, and the language it is answered in."""

    request: web.Request
    services: Services
    principal: Principal
    language: Language

    @property
    def account(self) -> Account:
        """The account that holds the token."""
        return self.principal.account

    @property
    def reach(self) -> RowReach:
        """Which rows the caller sees."""
        return RowReach(self.principal.reach, self.account.id)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of what is answered."""
        return self.services.settings.zone


async def identify(request: web.Request) -> Caller:
    """Read the bearer token; nothing else lets anybody in. Raises TokenMissingError, InvalidTokenError."""
    services = request.app[SERVICES]
    scheme, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise TokenMissingError
    principal = await find_principal(services, secret.strip())
    language = preferred_language(principal.account.language, accept=accepted(request))
    return Caller(request, services, principal, language)


async def find_principal(services: Services, secret: str) -> Principal:
    """The principal of a token. Raises InvalidTokenError for one that is unknown, expired, or of a disabled account."""
    token = await services.access.token(fingerprint(secret), services.clock.now())
    if token is None:
        raise InvalidTokenError
    try:
        account = await services.accounts.get(token.account_id)
    except NotFoundError:
        raise InvalidTokenError from None
    if account.disabled_at is not None:
        raise InvalidTokenError
    return Principal(account, token.scopes)


def accepted(request: web.Request) -> str:
    """The request's Accept-Language."""
    return request.headers.get(hdrs.ACCEPT_LANGUAGE, "")
