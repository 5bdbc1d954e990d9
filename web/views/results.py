"""コールバック発信結果: search, narrow, pages, each call opened as its two legs."""

from dataclasses import dataclass, replace

from aiohttp import web

from ari_app.domain.account import Account, Device
from ari_app.domain.callback import Callback, Result
from ari_app.domain.permissions import Action
from ari_app.errors import TooManyResultsError
from db.callback_search import CallbackSearch
from web.auth import reach_of, require
from web.language import RESULT_LABELS
from web.narrowing import search_words
from web.rendering import LANGUAGE, render
from web.services import SERVICES
from web.timeline import Track, tracks_of
from web.views.listing import PRESETS, ROWS, Conditions, nothing_granted


@dataclass(frozen=True, slots=True)
class Row:
    """One callback of the list."""

    call: Callback
    tracks: list[Track]
    talk_s: float | None


async def show(request: web.Request) -> web.StreamResponse:
    """GET /callback/results?preset|from&from_time&to&to_time&caller_id&customer_number&result&q&cursor&at"""
    principal = require(request, Action.SEE_CALLBACKS)
    services, language = request.app[SERVICES], request[LANGUAGE]
    asked = Conditions(request.query)
    asked.read_period(services.clock.now(), services.settings.zone)
    result = request.query.get("result")
    search = CallbackSearch(
        period=asked.period,
        caller_id=asked.read_number("caller_id"),
        customer_number=asked.read_number("customer_number"),
        result=Result(result) if result in list(Result) else None,
        words=search_words(request.query.get("q", ""), language),
    )
    page = None
    if asked.error is None:
        try:
            page = await services.callbacks.search(search, reach_of(principal), limit=ROWS, cursor=asked.cursor())
        except TooManyResultsError as error:
            asked.error = error
    return render(
        request,
        "results.html",
        asked=asked,
        url=lambda **changes: asked.url(request, **changes),
        presets=PRESETS,
        results=RESULT_LABELS,
        numbers=await services.numbers.all(),
        rows=[_row(call) for call in page.items] if page else [],
        place=page and asked.place(request, page),
        nothing_granted=await nothing_granted(services, principal),
        narrowed=bool(search.words),
        filtered=search != replace(CallbackSearch(), period=search.period, words=search.words),
        may_redial=_may_redial(principal.account),
    )


def _row(call: Callback) -> Row:
    talk_s = (call.ended_at - call.talking_at).total_seconds() if call.ended_at and call.talking_at else None
    return Row(call, tracks_of(call), talk_s)


def _may_redial(account: Account) -> bool:
    return account.agent and account.device is Device.EXTERNAL and not account.topmost
