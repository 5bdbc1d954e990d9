"""Signing in and out, and the language."""

from aiohttp import web

from ari_app.domain.account import Account
from ari_app.errors import InvalidInputError, KakehashiError, TooManyAttemptsError, WrongCredentialsError
from web.auth import SIGNED_IN, check_sign_in, close_session, open_session
from web.language import Language
from web.middlewares import FORM, LANGUAGE_COOKIE
from web.rendering import render
from web.services import SERVICES
from web.statuses import status_of

CALLBACK = "/callback"
RESULTS = "/callback/results"
LANGUAGE_KEPT_S = 365 * 24 * 3600


async def home(request: web.Request) -> web.StreamResponse:
    """GET /"""
    session = request.get(SIGNED_IN)
    raise web.HTTPSeeOther(_home(session.account) if session else CALLBACK)


async def show(request: web.Request) -> web.StreamResponse:
    """GET /login"""
    onward = _local(request.query.get("next", CALLBACK))
    if session := request.get(SIGNED_IN):
        raise web.HTTPSeeOther(_onward(onward, session.account))
    return _page(request, login="", onward=onward)


async def sign_in(request: web.Request) -> web.StreamResponse:
    """POST /login: login, password, next."""
    form = request[FORM]
    login, onward = form.get("login", ""), _local(form.get("next", CALLBACK))
    try:
        account = await check_sign_in(request, login, form.get("password", ""))
    except (WrongCredentialsError, TooManyAttemptsError) as error:
        return _page(request, login=login, onward=onward, error=error)
    response = web.Response(status=303, headers={"Location": _onward(onward, account)})
    await open_session(request, response, account)
    return response


async def sign_out(request: web.Request) -> web.StreamResponse:
    """POST /logout"""
    response = web.Response(status=303, headers={"Location": "/login"})
    await close_session(request, response)
    return response


async def choose_language(request: web.Request) -> web.StreamResponse:
    """POST /language: language, next. Kept with the account, or in a cookie before signing in."""
    form = request[FORM]
    if form.get("language") not in list(Language):
        raise InvalidInputError(field="language")
    language = Language(form["language"])
    response = web.Response(status=303, headers={"Location": _local(form.get("next", "/"))})
    response.set_cookie(LANGUAGE_COOKIE, language.value, max_age=LANGUAGE_KEPT_S, path="/", samesite="Lax")
    if session := request.get(SIGNED_IN):
        await request.app[SERVICES].accounts.set(session.account.login, {"language": language.value})
    return response


def _page(request: web.Request, *, login: str, onward: str, error: KakehashiError | None = None) -> web.Response:
    status = status_of(error) if error else 200
    return render(request, "sign_in.html", status=status, login=login, onward=onward, error=error)


def _home(account: Account) -> str:
    """Where work begins: who is no agent has no calls to place."""
    return CALLBACK if account.agent else RESULTS


def _onward(target: str, account: Account) -> str:
    return _home(account) if target == CALLBACK else target


def _local(target: str) -> str:
    """Only a path of this panel: `//host` and `/\\host` lead elsewhere in browsers."""
    inside = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if inside else CALLBACK
