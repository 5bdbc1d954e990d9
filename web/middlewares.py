"""Around every request of the panel: language, session, forgery check, errors as pages, safe headers."""

import secrets
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import MultiDict, MultiDictProxy

from ari_app.errors import ForgedRequestError, InvalidInputError, KakehashiError, NotSignedInError
from web.auth import SIGNED_IN, signed_in
from web.language import Language, error_text, preferred_language, translate
from web.rendering import LANGUAGE, render_instead
from web.services import SERVICES
from web.statuses import status_of

LANGUAGE_COOKIE = "language"
CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"
SIGN_IN_PATH = "/login"
SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
NOT_THE_PANEL = ("/api", "/healthz", "/readyz", "/metrics")
STATIC = "/static/"

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

FORM: web.RequestKey[MultiDictProxy[str]] = web.RequestKey("form", MultiDictProxy)

log = structlog.get_logger(__name__)

_HTTP_TEXTS = {
    404: "ページが見つかりません。URLを確認するか、メニューから選んでください",
    405: "この操作には対応していません。画面のボタンから操作してください",
    413: "送信された内容が大きすぎます。入力を短くしてください",
}
_HTTP_TEXT = "リクエストを処理できませんでした。画面を再読み込みしてください"
_BROKEN_TEXT = "システムエラーが発生しました。続く場合は、エラー番号 {id} をシステム管理者に伝えてください"


def setup(app: web.Application) -> None:
    """Put them around the application, outermost first."""
    app.middlewares.extend([_errors_told, _language_known, _session_known, _forgery_refused])
    app.on_response_prepare.append(_safe_headers)


@web.middleware
async def _errors_told(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not _is_page(request):
        return await handler(request)
    try:
        return await handler(request)
    except NotSignedInError:
        return _to_sign_in(request)
    except KakehashiError as error:
        return _error_page(request, status_of(error), error_text(error, _language(request)))
    except web.HTTPRedirection:
        raise
    except web.HTTPException as error:
        text = translate(_HTTP_TEXTS.get(error.status, _HTTP_TEXT), _language(request))
        return _error_page(request, error.status, text)
    except Exception:
        error_id = secrets.token_hex(4)
        log.exception("request_failed", error_id=error_id, method=request.method, path=request.path)
        return _error_page(request, 500, translate(_BROKEN_TEXT, _language(request), id=error_id))


@web.middleware
async def _language_known(request: web.Request, handler: Handler) -> web.StreamResponse:
    accept = request.headers.get(hdrs.ACCEPT_LANGUAGE, "")
    request[LANGUAGE] = preferred_language(request.cookies.get(LANGUAGE_COOKIE), accept=accept)
    return await handler(request)


@web.middleware
async def _session_known(request: web.Request, handler: Handler) -> web.StreamResponse:
    if _is_page(request) and (found := await signed_in(request)):
        request[SIGNED_IN] = found
        if found.account.language:
            request[LANGUAGE] = preferred_language(found.account.language)
    return await handler(request)


@web.middleware
async def _forgery_refused(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Another site's page can neither sign somebody in nor act in their name: Origin, and the session's token."""
    if request.method in SAFE_METHODS or not _is_page(request):
        return await handler(request)
    if not _same_origin(request):
        raise ForgedRequestError
    request[FORM] = await _form(request)
    session = request.get(SIGNED_IN)
    if session and request.path != SIGN_IN_PATH:
        token = str(request[FORM].get(CSRF_FIELD, "")) or request.headers.get(CSRF_HEADER, "")
        if not secrets.compare_digest(token.encode(), session.csrf.encode()):
            raise ForgedRequestError
    return await handler(request)


async def _form(request: web.Request) -> MultiDictProxy[str]:
    """The posted fields, texts only. Raises InvalidInputError for a body that is none."""
    try:
        posted = await request.post()
    except ValueError:
        raise InvalidInputError from None
    return MultiDictProxy(MultiDict((name, value) for name, value in posted.items() if isinstance(value, str)))


def _same_origin(request: web.Request) -> bool:
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    own = urlsplit(request.app[SERVICES].settings.base_url)
    return origin == f"{own.scheme}://{own.netloc}" or urlsplit(origin).netloc == request.host


def _to_sign_in(request: web.Request) -> web.StreamResponse:
    if request.headers.get(hdrs.ACCEPT, "").startswith("text/event-stream"):
        return web.Response(status=401)
    wanted = request.path_qs if request.method in SAFE_METHODS else "/"
    target = SIGN_IN_PATH if wanted == "/" else f"{SIGN_IN_PATH}?next={quote(wanted, safe='/')}"
    if "HX-Request" in request.headers:
        return web.Response(status=401, headers={"HX-Redirect": SIGN_IN_PATH})
    return web.Response(status=303, headers={hdrs.LOCATION: target})


def _error_page(request: web.Request, status: int, text: str) -> web.Response:
    return render_instead(request, "error.html", status=status, text=text)


def _language(request: web.Request) -> Language:
    language: Language = request.get(LANGUAGE, Language.JA)
    return language


def _is_page(request: web.Request) -> bool:
    path = request.path
    return not path.startswith(STATIC) and not any(
        path == other or path.startswith(f"{other}/") for other in NOT_THE_PANEL
    )


async def _safe_headers(request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers["Server"] = "Kakehashi"
    headers.setdefault("Referrer-Policy", "same-origin")
    if request.path.startswith(STATIC):
        lasting = "v" in request.query and response.status in (200, 304)
        headers[hdrs.CACHE_CONTROL] = "public, max-age=31536000, immutable" if lasting else "no-cache"
    elif _is_page(request):
        headers["Content-Security-Policy"] = POLICY
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers[hdrs.CACHE_CONTROL] = "no-store"
