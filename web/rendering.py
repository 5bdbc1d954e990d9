"""Pages: jinja2 with the language, the signed-in account and the product's ways of writing numbers and times."""

import hashlib
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup

from ari_app.domain.account import Account
from ari_app.domain.numbers import format_national
from ari_app.domain.permissions import Action, Principal
from web.auth import SIGNED_IN
from web.language import (
    DISPOSITION_LABELS,
    LEG_LABELS,
    PARTY_LABELS,
    REASON_LABELS,
    RESULT_LABELS,
    ROLE_LABELS,
    STATE_LABELS,
    Language,
    ending_text,
    error_text,
    translate,
)
from web.services import SERVICES

WEB = Path(__file__).parent
STATIC = WEB / "static"
ICONS = "vendor/lucide.svg"

LANGUAGE: web.RequestKey[Language] = web.RequestKey("language", Language)

_LABELS: dict[Any, str] = {
    **STATE_LABELS,
    **RESULT_LABELS,
    **REASON_LABELS,
    **DISPOSITION_LABELS,
    **LEG_LABELS,
}


def setup(app: web.Application) -> None:
    """Prepare the templates."""
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(WEB / "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "tel": format_national,
        "seconds": clock_seconds,
        "epoch_ms": lambda moment: int(moment.timestamp() * 1000),
    }
    environment.globals |= {"static": static_url, "icon": icon}


def render(request: web.Request, template: str, *, status: int = 200, **context: Any) -> web.Response:
    """A page in the request's language."""
    response = web.Response(
        text=render_text(request, template, **context), status=status, content_type="text/html", charset="utf-8"
    )
    response.enable_compression()
    return response


def render_instead(request: web.Request, template: str, *, status: int = 200, **context: Any) -> web.Response:
    """A page that takes the whole place of the one that asked, also where a part of that was asked for."""
    response = render(request, template, status=status, **context)
    response.headers.update({"HX-Retarget": "#main", "HX-Reselect": "#main", "HX-Reswap": "outerHTML"})
    return response


def render_text(request: web.Request, template: str, **context: Any) -> str:
    """A template, or a part of a page, as text."""
    return aiohttp_jinja2.render_string(template, request, {**_surroundings(request), **context})


def clock_seconds(seconds: float) -> str:
    """A duration as a clock shows it: 3:12, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@cache
def static_url(name: str) -> str:
    """The address of a file under web/static; another content is another address."""
    content = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={content}"


def icon(name: str) -> Markup:
    """A symbol of the sprite, decoration only."""
    use = Markup('<use href="{}#{}"></use>').format(static_url(ICONS), name)
    return Markup('<svg class="icon" width="20" height="20" aria-hidden="true">{}</svg>').format(use)


def _surroundings(request: web.Request) -> dict[str, Any]:
    """What every template may use."""
    services = request.app[SERVICES]
    language = request.get(LANGUAGE, Language.JA)
    session = request.get(SIGNED_IN)
    zone = services.settings.zone
    now = services.clock.now()
    return {
        "_": lambda text, **facts: translate(text, language, **facts),
        "language": language,
        "other_language": Language.EN if language is Language.JA else Language.JA,
        "label": lambda word: translate(_LABELS[word], language),
        "party": lambda word: translate(PARTY_LABELS[word], language),
        "role": lambda word: translate(ROLE_LABELS[word], language),
        "ending": partial(ending_text, language=language),
        "problem": partial(error_text, language=language),
        "local": lambda moment, form="%H:%M:%S": moment.astimezone(zone).strftime(form),
        "when": lambda moment: _when(moment.astimezone(zone), now.astimezone(zone), language),
        "now": now,
        "account": session and session.account,
        "csrf": session and session.csrf,
        "path": request.path,
        "here": request.path_qs if request.method == "GET" else "/",
        "places": _places(session.account, language) if session else [],
    }


def _when(moment: datetime, now: datetime, language: Language) -> str:
    """今日 10:42, 昨日 10:42, 11-18 10:42."""
    time = moment.strftime("%H:%M")
    days = (now.date() - moment.date()).days
    if days == 0:
        return translate("今日 {time}", language, time=time)
    if days == 1:
        return translate("昨日 {time}", language, time=time)
    return moment.strftime("%m-%d %H:%M")


def _places(account: Account, language: Language) -> list[dict[str, Any]]:
    """The menu: groups of pages that exist and that the account may see."""
    may = Principal(account).may
    groups = [
        (
            translate("オプション", language),
            [
                ("/callback", translate("コールバック発信", language), "phone-outgoing", Action.PLACE_CALLBACK),
            ],
        ),
        (
            translate("履歴・状況", language),
            [("/cdrs", translate("発着信履歴", language), "history", Action.SEE_CDRS)],
        ),
    ]
    shown = [{"name": name, "pages": [page[:3] for page in pages if may(page[3])]} for name, pages in groups]
    return [group for group in shown if group["pages"]]
