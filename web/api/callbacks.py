"""/callbacks: place a call, follow it, end it, and search what became of the calls."""

from http import HTTPStatus
from typing import Annotated

from pydantic import ConfigDict, Field

from ari_app.domain.callback import Acceptance, Callback, Result, State
from ari_app.domain.ending import Party, Reason
from ari_app.domain.numbers import normalise
from ari_app.domain.permissions import Action
from ari_app.errors import (
    AgentBusyError,
    CallbackUnavailableError,
    CapacityError,
    DeviceUnverifiedError,
    IdempotencyConflictError,
    NotPermittedError,
    TelephonyUnavailableError,
    TooLateToCancelError,
    TooManyResultsError,
)
from db.callback_search import CallbackSearch
from web.api.caller import Caller
from web.api.operation import Resource
from web.api.schema import (
    CallId,
    Digits,
    Input,
    ListView,
    Parameters,
    PeriodQuery,
    Time,
    TypedNumber,
    View,
    is_call_id,
    read_cursor,
)
from web.narrowing import search_words
from web.representation import represent_callback

callbacks = Resource("/callbacks", "callbacks")


class CallbackOrder(Input):
    """Whom to call, and the company number to show."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"caller_id": "0312345678", "customer_number": "090-1234-5678"}]}
    )

    caller_id: Annotated[
        TypedNumber, Field(description="the number shown to agent and customer: one the account may use")
    ]
    customer_number: Annotated[
        TypedNumber,
        Field(description="as typed: full-width digits, hyphens, a prefix, 184 or 186 in front are understood"),
    ]


class OrderHeaders(Parameters):
    """How a repeated order is told from a new one."""

    idempotency_key: Annotated[
        str | None,
        Field(
            alias="Idempotency-Key",
            pattern=r"^[\x21-\x7e]{1,255}$",
            description="visible ASCII; the same key with the same body again gives the same callback and calls nobody",
            examples=["7f0b9a52-order-1"],
        ),
    ] = None


class CallbackQuery(PeriodQuery):
    """Conditions of a search; all must hold."""

    caller_id: TypedNumber | None = None
    customer_number: Annotated[TypedNumber | None, Field(description="its first digits")] = None
    result: Result | None = None
    q: Annotated[str | None, Field(max_length=200, description="words that narrow what was found; all must match")] = (
        None
    )


class LegView(View):
    """A leg that was dialled. `caller_id` is the number shown there, `hangup_cause` Q.850."""

    role: Annotated[str, Field(pattern="^(agent|customer)$")]
    number: Digits
    caller_id: Digits
    channel_id: str
    started_at: Time | None
    answered_at: Time | None
    ended_at: Time | None
    hangup_cause: int | None
    ended_by: Party | None


class CallbackView(View):
    """A callback. What has not happened yet is null; `reason_text` is in the user's language."""

    id: CallId
    state: State
    result: Result | None
    reason: Reason | None
    reason_text: str | None
    ended_by: Party | None
    login: str
    caller_id: Digits
    agent_number: Digits
    customer_number: Digits
    customer_caller_id: Annotated[
        Digits, Field(description="what the customer sees: the prefix's number, or `caller_id`")
    ]
    withheld: bool
    acceptance: Acceptance
    created_at: Time
    ringing_agent_at: Time | None
    agent_answered_at: Time | None
    ringing_customer_at: Time | None
    talking_at: Time | None
    ended_at: Time | None
    legs: list[LegView]


class CallbackList(ListView[CallbackView]):
    """Callbacks, newest first."""


@callbacks.operation(
    "POST",
    needs=Action.PLACE_CALLBACK,
    status=HTTPStatus.ACCEPTED,
    refuses=(
        CallbackUnavailableError,
        DeviceUnverifiedError,
        IdempotencyConflictError,
        CapacityError,
        AgentBusyError,
        TelephonyUnavailableError,
    ),
)
async def place_callback(caller: Caller, body: CallbackOrder, headers: OrderHeaders) -> CallbackView:
    """Place a callback.

    Rings the phone of the token's account, then the customer, and joins the two. Needs two channels.
    """
    placement = await caller.services.desk.place(
        caller.account,
        caller_id=body.caller_id,
        customer_number=body.customer_number,
        idempotency_key=headers.idempotency_key,
    )
    return view_of(await caller.services.callbacks.get(placement.callback_id), caller)


@callbacks.operation("GET", needs=Action.SEE_CALLBACKS, refuses=(TooManyResultsError,))
async def list_callbacks(caller: Caller, query: CallbackQuery) -> CallbackList:
    """Search callbacks.

    A user sees their own, a supervisor those with a granted caller ID, an administrator all.
    """
    conditions = CallbackSearch(
        period=query.period(caller.zone),
        caller_id=query.caller_id and normalise(query.caller_id, "caller_id"),
        customer_number=query.customer_number and normalise(query.customer_number, "customer_number"),
        result=query.result,
        words=search_words(query.q or "", caller.language),
    )
    cursor = read_cursor(query.cursor, is_call_id)
    page = await caller.services.callbacks.search(conditions, caller.reach, limit=query.limit, cursor=cursor)
    return CallbackList(
        items=[view_of(call, caller) for call in page.items], next=page.next.encode() if page.next else None
    )


@callbacks.operation("GET", "/{id}", needs=Action.SEE_CALLBACKS)
async def get_callback(caller: Caller, id: CallId) -> CallbackView:  # noqa: A002 - the path's word
    """Follow a callback: one's own, or one within the account's resources."""
    return view_of(await _visible(caller, id), caller)


@callbacks.operation(
    "DELETE",
    "/{id}",
    needs=(Action.CANCEL_OWN_CALL, Action.CUT_ANY_CALL),
    status=HTTPStatus.ACCEPTED,
    refuses=(TooLateToCancelError,),
)
async def cancel_callback(caller: Caller, id: CallId) -> CallbackView:  # noqa: A002
    """End a callback.

    Its owner may until the customer answers, an administrator always. The answer shows the callback as it stood
    when its end was ordered; one that has ended already is success.
    """
    call = await _visible(caller, id)
    await caller.services.desk.cancel(call, _canceller(caller, call))
    return view_of(await caller.services.callbacks.get(call.id), caller)


def view_of(call: Callback, caller: Caller) -> CallbackView:
    """A callback as the caller reads it."""
    return CallbackView(**represent_callback(call, caller.language, caller.zone))


async def _visible(caller: Caller, callback_id: str) -> Callback:
    store = caller.services.callbacks
    call = await store.get(callback_id)
    return call if call.account_id == caller.account.id else await store.find(callback_id, caller.reach)


def _canceller(caller: Caller, call: Callback) -> Party:
    """In whose name the call is ended: an administrator is one too with a call of their own that is past cancelling."""
    own = call.account_id == caller.account.id and caller.principal.may(Action.CANCEL_OWN_CALL)
    if own and call.cancellable:
        return Party.AGENT
    if caller.principal.may(Action.CUT_ANY_CALL):
        return Party.ADMIN
    if own:
        return Party.AGENT
    raise NotPermittedError
