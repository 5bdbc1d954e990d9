"""/events: what happens to the calls the caller may see, as it happens."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from aiohttp import web

from ari_app.domain.callback import Callback, State
from ari_app.domain.permissions import Action, Reach
from ari_app.errors import InvalidTokenError
from ari_app.ports import Event
from web.api.caller import Caller, identify
from web.api.operation import Resource
from web.live import Message, event_stream
from web.representation import represent_callback

events = Resource("/events", "events")

REPLAY_AT_MOST = 1000
# An end is told a moment after it happened, and the clocks of switch and application differ by a hair.
REPLAY_MARGIN = timedelta(seconds=10)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PROGRESS = {state: step for step, state in enumerate(State)}


@events.operation("GET", needs=Action.SEE_CALLBACKS)
async def stream_events(caller: Caller) -> web.StreamResponse:
    """Watch calls, as server-sent events.

    First `snapshot` (`{"items": […]}`: the callbacks that are open now), then `call.STATE` at each change, with the
    callback as GET /callbacks/{id} shows it; `call.ended` comes once its records are committed. A client that comes
    back with `Last-Event-ID` is told, after the snapshot, of the calls that ended meanwhile. An event may be told
    twice. The stream ends when its token does.
    """
    watch = _Watch(caller)
    return await event_stream(caller.request, opening=watch.opening, told=watch.told, refreshed=watch.refreshed)


class _Watch:
    """One listener: what they may see, and how far each open call was told to them."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._granted: frozenset[str] = frozenset()
        self._told: dict[str, State] = {}

    async def opening(self, last_event_id: str | None) -> Iterable[Message]:
        """The open calls, and what ended since `last_event_id`."""
        present = await self._present()
        self._told = {call.id: call.state for call in present}
        items = [self._represent(call) for call in present]
        snapshot = Message("snapshot", json.dumps({"items": items}, ensure_ascii=False), self._event_id())
        return [snapshot, *await self._ended_since(last_event_id)]

    def told(self, event: Event) -> Message | None:
        """The message of an event, None for one that is not theirs or that they know."""
        call = event.callback
        known = self._told.get(call.id)
        if not self._sees(call) or (known is not None and _PROGRESS[call.state] <= _PROGRESS[known]):
            return None
        return self._tell(call)

    async def refreshed(self) -> Iterable[Message] | None:
        """What changed without an event reaching this process; None once the token is good no more."""
        try:
            self._caller = await identify(self._caller.request)
        except InvalidTokenError:
            return None
        if not self._caller.principal.may(Action.SEE_CALLBACKS):
            return None
        present = await self._present()
        changed = [call for call in present if self._told.get(call.id) != call.state]
        gone = self._told.keys() - {call.id for call in present}
        changed += [await self._caller.services.callbacks.get(call_id) for call_id in sorted(gone)]
        return [self._tell(call) for call in changed]

    def _tell(self, call: Callback) -> Message:
        if call.state is State.ENDED:
            self._told.pop(call.id, None)
        else:
            self._told[call.id] = call.state
        return Message(f"call.{call.state}", json.dumps(self._represent(call), ensure_ascii=False), self._event_id())

    async def _present(self) -> list[Callback]:
        services, account = self._caller.services, self._caller.account
        if self._caller.principal.reach is Reach.GRANTED:
            self._granted = await services.accounts.granted_numbers(account.id)
        return [call for call in await services.callbacks.all_open() if self._sees(call)]

    async def _ended_since(self, last_event_id: str | None) -> list[Message]:
        if last_event_id is None or not (last_event_id.isascii() and last_event_id.isdigit()):
            return []
        try:
            since = EPOCH + timedelta(milliseconds=int(last_event_id)) - REPLAY_MARGIN
        except OverflowError:
            return []
        ended = await self._caller.services.callbacks.ended_since(since, REPLAY_AT_MOST)
        return [self._tell(call) for call in ended if self._sees(call)]

    def _sees(self, call: Callback) -> bool:
        principal = self._caller.principal
        if principal.reach is Reach.ALL or call.account_id == principal.account.id:
            return True
        return principal.reach is Reach.GRANTED and call.caller_id in self._granted

    def _represent(self, call: Callback) -> dict[str, object]:
        return represent_callback(call, self._caller.language, self._caller.zone)

    def _event_id(self) -> str:
        """When it was told, in milliseconds: what a client that comes back missed began then."""
        return str((self._caller.services.clock.now() - EPOCH) // timedelta(milliseconds=1))
