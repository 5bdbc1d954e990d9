"""Signing in and out, and the language."""

from aiohttp import web

from ari_app.errors import InvalidInputError, KakehashiError, TooManyAttemptsError, WrongCredentialsError
from web.auth import SIGNED_IN, check_sign_in, close_session, open_session
from web.language import Language
from web.middlewares import FORM, LANGUAGE_COOKIE
from web.rendering import render
from web.services import SERVICES
from web.statuses import status_of

HOME = "/callback"
LANGUAGE_KEPT_S = 365 * 24 * 3600


async def home(_request: web.Request) -> web.StreamResponse:
    """GET /"""
    raise web.HTTPSeeOther(HOME)


async def show(request: web.Request) -> web.StreamResponse:
    """GET /login"""
    if SIGNED_IN in request:
        raise web.HTTPSeeOther(_local(request.query.get("next", HOME)))
    return _page(request, login="", onward=_local(request.query.get("next", HOME)))


async def sign_in(request: web.Request) -> web.StreamResponse:
    """POST /login: login, password, next."""
    form = request[FORM]
    login, onward = form.get("login", ""), _local(form.get("next", HOME))
    try:
        account = await check_sign_in(request, login, form.get("password", ""))
    except (WrongCredentialsError, TooManyAttemptsError) as error:
        return _page(request, login=login, onward=onward, error=error)
    response = web.Response(status=303, headers={"Location": onward})
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


def _local(target: str) -> str:
    """Only a path of this panel: `//host` and `/\\host` lead elsewhere in browsers."""
    inside = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if inside else HOME
