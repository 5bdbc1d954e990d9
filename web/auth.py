"""Who asks: sessions of the panel in a cookie, and the account behind a request."""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from ari_app.domain.account import Account
from ari_app.domain.permissions import Action, Principal
from ari_app.errors import NotFoundError, NotSignedInError, TooManyAttemptsError, WrongCredentialsError
from db.access import Session
from db.reach import RowReach
from web.credentials import fingerprint, new_secret, verify_password
from web.services import SERVICES, Services

IDLE_LIMIT = timedelta(hours=8)
SESSION_LIMIT = timedelta(hours=24)
EXTEND_AFTER = timedelta(minutes=5)
FAILURE_WINDOW_S = 300
LOGIN_FAILURES = 5
ADDRESS_FAILURES = 30
LOGIN_CHARACTERS = 64
PASSWORD_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The session a request came with: `key` is the hash of the cookie's secret."""

    key: str
    csrf: str
    account: Account


SIGNED_IN: web.RequestKey[SignedIn] = web.RequestKey("signed_in", SignedIn)


def principal_of(request: web.Request) -> Principal:
    """Raises NotSignedInError."""
    signed_in = request.get(SIGNED_IN)
    if signed_in is None:
        raise NotSignedInError
    return Principal(signed_in.account)


def require(request: web.Request, action: Action) -> Principal:
    """The one who asks, if they may. Raises NotSignedInError, NotPermittedError."""
    principal = principal_of(request)
    principal.require(action)
    return principal


def reach_of(principal: Principal) -> RowReach:
    """The rows a principal sees."""
    return RowReach(principal.reach, principal.account.id)


async def signed_in(request: web.Request) -> SignedIn | None:
    """The live session of the request's cookie, extended by its use; None without one."""
    services = request.app[SERVICES]
    secret = request.cookies.get(cookie_name(services))
    if not secret:
        return None
    key, now = fingerprint(secret), services.clock.now()
    session = await services.access.session(key, now)
    if session is None:
        return None
    try:
        account = await services.accounts.get(session.account_id)
    except NotFoundError:
        return None
    if account.disabled_at is not None:
        return None
    expires_at = _expiry(session, now)
    if expires_at - session.expires_at > EXTEND_AFTER:
        await services.access.extend_session(key, expires_at)
    return SignedIn(key, session.csrf, account)


async def check_sign_in(request: web.Request, login: str, password: str) -> Account:
    """The account of a login and password.

    Every attempt counts as failed until it succeeds, so that attempts side by side count too.
    Raises WrongCredentialsError, TooManyAttemptsError.
    """
    services = request.app[SERVICES]
    now, address = services.clock.now(), client_address(request)
    login = login if login.isprintable() else ""
    name = login[:LOGIN_CHARACTERS]
    window = int(now.timestamp()) // FAILURE_WINDOW_S * FAILURE_WINDOW_S
    since = datetime.fromtimestamp(window, UTC) - timedelta(microseconds=1)
    await services.access.note_failure(name, address, now)
    of_login, from_address = await services.access.failures(name, address, since)
    if of_login > LOGIN_FAILURES or from_address > ADDRESS_FAILURES:
        raise TooManyAttemptsError(wait_s=window + FAILURE_WINDOW_S - int(now.timestamp()))
    known = await services.accounts.password_hash(login)
    if not await verify_password(known and known[1], password[:PASSWORD_CHARACTERS]) or known is None:
        raise WrongCredentialsError
    await services.access.forget_failures(name, since)
    return await services.accounts.get(known[0])


async def open_session(request: web.Request, response: web.StreamResponse, account: Account) -> None:
    """Sign in: a session of its own, whatever cookie the browser came with."""
    services = request.app[SERVICES]
    await close_session(request, response)
    secret, now = new_secret(), services.clock.now()
    await services.access.open_session(fingerprint(secret), account.id, new_secret(), now, now + IDLE_LIMIT)
    response.set_cookie(
        cookie_name(services),
        secret,
        max_age=int(SESSION_LIMIT.total_seconds()),
        path="/",
        secure=is_https(services),
        httponly=True,
        samesite="Lax",
    )


async def close_session(request: web.Request, response: web.StreamResponse) -> None:
    """Sign out; without a session it is success."""
    services = request.app[SERVICES]
    name = cookie_name(services)
    if secret := request.cookies.get(name):
        await services.access.close_session(fingerprint(secret))
        response.del_cookie(name, path="/", secure=is_https(services), httponly=True, samesite="Lax")


def sign(services: Services, *facts: str) -> str:
    """A seal on facts that travel through a page: only this installation can make it."""
    key = services.settings.secret_key.get_secret_value().encode()
    return hmac.new(key, "\0".join(facts).encode(), hashlib.sha256).hexdigest()


def cookie_name(services: Services) -> str:
    """`__Host-` ties the cookie to this host and to https (RFC 6265bis, 4.1.3.2)."""
    return "__Host-kakehashi" if is_https(services) else "kakehashi"


def is_https(services: Services) -> bool:
    """Whether users reach the panel over https."""
    return services.settings.base_url.startswith("https://")


def client_address(request: web.Request) -> str:
    """The address sign-ins are counted by: the peer's, or behind a proxy on this host the one that the proxy names."""
    peer = request.remote or ""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    if not (_is_loopback(peer) and forwarded):
        return peer
    try:
        return str(ipaddress.ip_address(forwarded))
    except ValueError:
        return peer


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _expiry(session: Session, now: datetime) -> datetime:
    return min(now + IDLE_LIMIT, session.created_at + SESSION_LIMIT)
