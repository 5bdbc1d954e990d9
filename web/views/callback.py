"""コールバック発信: the order, its confirmation, and the call while it goes on."""

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from ari_app.domain.account import require_agent, require_caller_ids
from ari_app.domain.callback import CHANNELS_PER_CALLBACK, Callback, State
from ari_app.domain.ending import Party
from ari_app.domain.numbers import WITHHOLD, format_national
from ari_app.domain.permissions import Action, Reach
from ari_app.domain.resources import Prefix
from ari_app.domain.schedule import Period
from ari_app.errors import (
    AgentBusyError,
    CallbackUnavailableError,
    InvalidInputError,
    KakehashiError,
    NotFoundError,
    OwnCompanyNumberError,
    TooLateToCancelError,
)
from db.accounts import CallerId
from db.callback_search import CallbackSearch
from db.reach import RowReach
from web.auth import SIGNED_IN, SignedIn, reach_of, require, sign
from web.language import Language
from web.live import Message, event_stream
from web.middlewares import FORM
from web.rendering import LANGUAGE, render, render_instead, render_text
from web.representation import represent_callback
from web.services import SERVICES, Services
from web.statuses import status_of
from web.views.stage import Stage, stage_of

RECENT_CALLS = 5
RECENT_DAYS = 7
JUST_CALLED = timedelta(minutes=30)

_ORDER = {state: place for place, state in enumerate(State)}


@dataclass(frozen=True, slots=True)
class Recent:
    """A call of one's own, and the call somebody made to the same number a moment ago."""

    call: Callback
    just_called: Callback | None


@dataclass(frozen=True, slots=True)
class Order:
    """What the form holds. `offered` are the caller IDs its page was made with."""

    caller_id: str
    customer_number: str
    offered: tuple[str, ...] = ()
    key: str | None = None


# Pages


async def show(request: web.Request) -> web.StreamResponse:
    """GET /callback?redial=ID: the form; a call that is going on is shown instead."""
    principal = require(request, Action.PLACE_CALLBACK)
    services, account = request.app[SERVICES], principal.account
    if call := await services.callbacks.open_of(account.id):
        raise web.HTTPSeeOther(f"/callback/calls/{call.id}")
    if not (redial := request.query.get("redial")):
        return await _form_page(request, Order(account.last_caller_id or "", ""))
    old = await _find(services, redial, reach_of(principal))
    return await _confirmed(request, Order(old.caller_id, _as_typed(old, await services.numbers.all_prefixes())))


async def confirm(request: web.Request) -> web.StreamResponse:
    """POST /callback/confirm: the same form, with a question, or with what is wrong."""
    require(request, Action.PLACE_CALLBACK)
    return await _confirmed(request, _posted(request))


async def place(request: web.Request) -> web.StreamResponse:
    """POST /callback: begin the call."""
    account = require(request, Action.PLACE_CALLBACK).account
    services, order = request.app[SERVICES], _posted(request)
    try:
        placed = await services.desk.place(
            account,
            caller_id=order.caller_id,
            customer_number=order.customer_number,
            idempotency_key=order.key,
            offered=order.offered,
        )
    except AgentBusyError as error:
        if call := await services.callbacks.open_of(account.id):
            return _call_page(request, call, error=error)
        return await _form_page(request, order, error=error)
    except KakehashiError as error:
        return await _form_page(request, order, error=error)
    raise web.HTTPSeeOther(f"/callback/calls/{placed.callback_id}")


async def show_call(request: web.Request) -> web.StreamResponse:
    """GET /callback/calls/ID: live steps, and the result once it has ended."""
    return _call_page(request, await _own_call(request))


async def cancel(request: web.Request) -> web.StreamResponse:
    """POST /callback/calls/ID/cancel"""
    require(request, Action.CANCEL_OWN_CALL)
    call = await _own_call(request)
    try:
        await request.app[SERVICES].desk.cancel(call, Party.AGENT)
    except TooLateToCancelError as error:
        return _call_page(request, call, error=error)
    raise web.HTTPSeeOther(f"/callback/calls/{call.id}")


# Live state


class Progress:
    """Lets the states of calls through in their order: what is read may be older than what was told, or known."""

    def __init__(self) -> None:
        self._seen = ("", -1)

    def passes(self, call: Callback) -> bool:
        """Whether this is further than anything before; ids sort by time."""
        reached = (call.id, _ORDER[call.state])
        if reached <= self._seen:
            return False
        self._seen = reached
        return True


async def live(request: web.Request) -> web.StreamResponse:
    """GET /callback/live: the account's own calls as JSON, wherever they were ordered."""
    account = require(request, Action.PLACE_CALLBACK).account
    services, progress = request.app[SERVICES], Progress()
    language, zone = request[LANGUAGE], services.settings.zone

    def told(call: Callback) -> Message | None:
        if call.account_id != account.id or not progress.passes(call):
            return None
        return Message(f"call.{call.state}", json.dumps(represent_callback(call, language, zone), ensure_ascii=False))

    return await _follow(request, lambda: services.callbacks.open_of(account.id), told)


async def live_call(request: web.Request) -> web.StreamResponse:
    """GET /callback/calls/ID/live: the call's part of the page, anew at each change."""
    own = await _own_call(request)
    services, progress = request.app[SERVICES], Progress()

    def told(call: Callback) -> Message | None:
        if call.id != own.id or not progress.passes(call):
            return None
        return Message("stage", render_text(request, "callback/stage.html", stage=_stage(request, call)))

    return await _follow(request, lambda: services.callbacks.get(own.id), told)


async def _follow(
    request: web.Request,
    read: Callable[[], Awaitable[Callback | None]],
    told: Callable[[Callback], Message | None],
) -> web.StreamResponse:
    services = request.app[SERVICES]

    async def present() -> list[Message]:
        call = await read()
        message = told(call) if call else None
        return [message] if message else []

    async def refreshed() -> list[Message] | None:
        signed_in = await services.access.session(request[SIGNED_IN].key, services.clock.now())
        return await present() if signed_in else None

    return await event_stream(
        request, opening=lambda _: present(), told=lambda event: told(event.callback), refreshed=refreshed
    )


# Parts of the pages


async def _confirmed(request: web.Request, order: Order) -> web.StreamResponse:
    services, account = request.app[SERVICES], request[SIGNED_IN].account
    try:
        call = await services.desk.check(
            account, caller_id=order.caller_id, customer_number=order.customer_number, offered=order.offered
        )
    except KakehashiError as error:
        return await _form_page(request, order, error=error)
    return await _form_page(request, order, question=call)


async def _form_page(
    request: web.Request, order: Order, *, error: KakehashiError | None = None, question: Callback | None = None
) -> web.Response:
    """The form; or, where this account cannot place callbacks, why not."""
    services, session = request.app[SERVICES], request[SIGNED_IN]
    company = await services.numbers.all()
    try:
        agent_number = require_agent(session.account, {number.tel for number in company})
        options = await services.accounts.caller_ids(session.account)
        known = {option.tel for option in options}
        options += [CallerId(n.tel, n.name) for n in company if n.tel in order.offered and n.tel not in known]
        require_caller_ids([option.tel for option in options])
    except (CallbackUnavailableError, OwnCompanyNumberError) as refusal:
        return render_instead(request, "callback/unavailable.html", refusal=refusal)
    chosen = order.caller_id if order.caller_id in {option.tel for option in options} else options[0].tel
    return render(
        request,
        "callback/form.html",
        status=status_of(error) if error else 200,
        agent_number=agent_number,
        options=options,
        chosen=chosen,
        customer_number=order.customer_number,
        offered=_sealed(services, session, [option.tel for option in options]),
        prefixes=await services.numbers.all_prefixes(),
        available=await services.desk.available(),
        error=error,
        question=question,
        order_key=f"panel-{secrets.token_hex(16)}",
        just_called=question and await _just_called(services, question),
        recent=await _recent(services, session.account.id),
        channels=CHANNELS_PER_CALLBACK,
    )


def _call_page(request: web.Request, call: Callback, *, error: KakehashiError | None = None) -> web.Response:
    status = status_of(error) if error else 200
    return render(request, "callback/call.html", status=status, stage=_stage(request, call), error=error)


def _stage(request: web.Request, call: Callback) -> Stage:
    services = request.app[SERVICES]
    language = request.get(LANGUAGE, Language.JA)
    return stage_of(call, services.settings, language, services.clock.now(), format_national)


async def _own_call(request: web.Request) -> Callback:
    account = require(request, Action.PLACE_CALLBACK).account
    return await _find(request.app[SERVICES], request.match_info["id"], RowReach(Reach.OWN, account.id))


async def _find(services: Services, call_id: str, reach: RowReach) -> Callback:
    """What a URL names. Raises NotFoundError, also for what no database would look for."""
    if not call_id.isalnum():
        raise NotFoundError(value=call_id)
    return await services.callbacks.find(call_id, reach)


async def _recent(services: Services, account_id: int) -> list[Recent]:
    since = Period(services.clock.now() - timedelta(days=RECENT_DAYS))
    page = await services.callbacks.search(CallbackSearch(since), RowReach(Reach.OWN, account_id), limit=RECENT_CALLS)
    return [Recent(call, await _just_called(services, call)) for call in page.items]


async def _just_called(services: Services, call: Callback) -> Callback | None:
    """The latest call that somebody else placed to the same number a moment ago."""
    since = Period(services.clock.now() - JUST_CALLED)
    page = await services.callbacks.search(
        CallbackSearch(since, customer_number=call.customer_number), RowReach(Reach.ALL, 0), limit=RECENT_CALLS
    )
    same = [other for other in page.items if other.customer_number == call.customer_number]
    return next((other for other in same if other.account_id != call.account_id), None)


def _as_typed(call: Callback, prefixes: list[Prefix]) -> str:
    """What to type so that the customer sees the same number again."""
    hidden = WITHHOLD if call.withheld else ""
    if call.customer_caller_id == call.caller_id:
        return hidden + call.customer_number
    prefix = next((prefix.digits for prefix in prefixes if prefix.tel == call.customer_caller_id), "")
    return prefix + hidden + call.customer_number


def _posted(request: web.Request) -> Order:
    form = request[FORM]
    offered = form.get("offered", "")
    numbers, _, seal = offered.partition(".")
    kept = tuple(filter(None, numbers.split(",")))
    honest = secrets.compare_digest(
        _sealed(request.app[SERVICES], request[SIGNED_IN], kept).encode(), f"{numbers}.{seal}".encode()
    )
    key = form.get("key", "")
    if len(key) > 64:
        raise InvalidInputError(field="key")
    return Order(form.get("caller_id", ""), form.get("customer_number", ""), kept if honest else (), key or None)


def _sealed(services: Services, session: SignedIn, numbers: Iterable[str]) -> str:
    """Caller IDs on an open page stay good until it is loaded anew or the account signs out."""
    joined = ",".join(numbers)
    return f"{joined}.{sign(services, 'offered', session.key, joined)}"
