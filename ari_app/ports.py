"""What the flows need of the world, as protocols: the switch, the records, the directory, the clock, the bus."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ari_app.domain.account import Account
from ari_app.domain.callback import Callback
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import LegEnd, Party
from ari_app.domain.leg import Leg
from ari_app.domain.prefix import Prefixes
from ari_app.domain.returned_call import ReturnedCall


class LegEnded(Exception):  # noqa: N818 - an event of the call, not an error
    """A leg is unanswered, busy or gone; `leg.end` says how."""

    def __init__(self, leg: Leg) -> None:
        super().__init__(leg.channel_id)
        self.leg = leg


class SwitchError(Exception):
    """The switch refused what a call cannot do without, or is gone."""


class Clock(Protocol):
    """The time, passed in."""

    def now(self) -> datetime:
        """The present moment, UTC, aware."""


class Line(Protocol):
    """One leg's channel on the switch; what happens to it is written into `leg` as it happens."""

    leg: Leg

    def ring(self, timeout: float, *, early_media_to: "Line | None" = None) -> AbstractAsyncContextManager[None]:
        """Dial; enter once answered; hang up on exit. `timeout` is the ring limit in seconds.

        `early_media_to` is joined as this leg is dialled, and hears what the network says while it rings.
        When the leg ends by itself, while ringing or later, the body is cancelled and LegEnded raised in its place.
        """

    def up(self) -> AbstractAsyncContextManager[None]:
        """As `ring`, for a leg that already was answered: taken over after a restart."""

    async def join(self) -> None:
        """Put the leg into its call's bridge."""

    async def key(self, digit: str, *, prompt: str, timeout: float) -> bool:
        """Play `prompt` (a name under sounds/) until `digit` is pressed: True, or False after `timeout` seconds."""

    async def ringback(self) -> None:
        """Let the caller of a leg that came in hear that it rings."""

    async def answer(self) -> None:
        """Answer a leg that came in; harmless to repeat."""

    async def say(self, prompt: str, *, timeout: float) -> None:
        """Play `prompt` (a name under sounds/) to its end, `timeout` seconds at most."""

    def end_with(self, end: LegEnd) -> None:
        """State how this leg ends: the reason is ours, not the switch's. The first one stated counts."""

    def leave(self) -> None:
        """Leave the channel up on exit, for the next start to adopt."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel as the switch lists it. `state` is Asterisk's word (Down, Ring, Ringing, Up)."""

    id: str
    name: str
    state: str
    number: str
    created_at: datetime
    bridge_id: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call that came in and waits: `called` is the number dialled, `caller` empty where it was withheld."""

    at: datetime
    channel_id: str
    channel_name: str
    called: str
    caller: str


class Switch(Protocol):
    """The telephone switch."""

    @property
    def ready(self) -> bool:
        """Whether its events reach us: without them nothing may be dialled."""

    def bridge(self, call_id: str) -> AbstractAsyncContextManager[None]:
        """The bridge of a call, gone on exit."""

    def line(self, leg: Leg, peer: Leg, call_id: str) -> AbstractAsyncContextManager[Line]:
        """A channel for `leg`, created but not dialled; gone on exit, `leg.end` and its times filled in.

        `peer` is the leg it will talk to. Raises LegEnded when the switch cannot create it.
        """

    def adopt_bridge(self, call_id: str) -> AbstractAsyncContextManager[None]:
        """As `bridge`, for the bridge of a call taken over after a restart; one that is gone is no matter."""

    def adopt(self, leg: Leg, peer: Leg, call_id: str) -> AbstractAsyncContextManager[Line]:
        """As `line`, for a channel that was there before us; one that is gone has its end in `leg`."""

    def arrivals(self, take: Callable[[Arrival], None]) -> AbstractAsyncContextManager[None]:
        """Inside the block `take`, which never waits, is given every call that comes in or is waiting already.

        A call may be given twice.
        """

    async def release(self, channel_id: str) -> None:
        """Give a call that came in back to the dialplan, which plays a notice; one that is gone is success."""

    async def cut(self, channel_id: str, end: LegEnd) -> bool:
        """End a leg of ours with a stated end; False when no flow here has that channel."""

    async def hang_up(self, channel_id: str) -> None:
        """End any channel; one that is gone is success."""

    async def sweep(self) -> None:
        """End what has our kind of id and belongs to no flow."""

    async def channels(self) -> list[Channel]:
        """What is on the switch now, legs that were never dialled left out."""


@dataclass(frozen=True, slots=True)
class PastLeg:
    """What the switch's own records say of a channel. Times UTC, `ended_at` None while it is up, `cause` Q.850."""

    answered_at: datetime | None
    ended_at: datetime | None
    cause: int


class PastLegs(Protocol):
    """The switch's own records."""

    async def look_up(self, channel_ids: Collection[str], since: datetime) -> dict[str, PastLeg]:
        """Those of the channels that were answered or have ended, from events not older than `since`."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something users may watch: `name` is `call.STATE`; `callback` as it stood then."""

    name: str
    callback: Callback


class Bus(Protocol):
    """Events for whoever watches; `lost` counts what a watcher was too slow to take."""

    lost: int

    @property
    def watched(self) -> bool:
        """Whether anybody subscribes now."""

    def publish(self, event: Event) -> None:
        """Tell every subscriber; never waits."""

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """The events from now on."""


class Placement(Protocol):
    """What became of an order; `fresh` is False when its Idempotency-Key had placed it before."""

    @property
    def callback_id(self) -> str:
        """The callback ordered."""

    @property
    def fresh(self) -> bool:
        """Whether this order began it."""


class CallbackRecords(Protocol):
    """Where callbacks are written down; each await returns once it is durable."""

    async def place(self, call: Callback, *, limit: int, idempotency: tuple[str, str] | None = None) -> Placement:
        """Write the order and reserve its channels of `limit`, atomically.

        `idempotency` is the key and the request's fingerprint. Raises CapacityError, AgentBusyError,
        IdempotencyConflictError, DatabaseUnavailableError; then nothing is kept.
        """

    async def save(self, call: Callback) -> None:
        """Write the callback's present state."""

    def note(self, call: Callback) -> None:
        """As `save`, for a state that nothing waits for: durable in a moment."""

    async def close(self, call: Callback, rows: list[CdrRow]) -> None:
        """Write the ended callback and its rows once, and give its channels back."""

    async def claim(self, node: str, at_most: int, now: datetime) -> list[Callback]:
        """Take over orders that nobody has begun: this node's share of them."""

    async def hand_back(self, node: str, since: datetime) -> None:
        """Let others claim what this node had not begun of the orders placed after `since`."""

    async def open_calls(self, node: str) -> list[Callback]:
        """This node's callbacks that have not ended."""

    async def request_cut(self, callback_id: str, by: Party) -> None:
        """Leave word for the node that has the call."""

    async def cut_requests(self, node: str) -> list[tuple[str, Party]]:
        """Calls of this node that somebody elsewhere asked to end: (call id, by whom)."""

    async def get(self, callback_id: str) -> Callback:
        """Raises NotFoundError."""


class ReturnedCallRecords(Protocol):
    """Where returned calls are written down; each await returns once it is durable."""

    async def candidates(self, called: str, caller: str) -> list[Account]:
        """The agents a call may be put through to, in order: who called the caller from that number, the last first,
        then the call centers' by login. Nobody for a caller that is one of the company's own numbers.
        """

    async def begin(
        self, call: ReturnedCall, candidates: Sequence[Account], assign: Callable[[Account], None], *, limit: int
    ) -> None:
        """Write the call and reserve its channels of `limit`, atomically; `assign` is given the first free candidate.

        At the limit nobody is assigned and the call's reason is no_channel. Raises DatabaseUnavailableError.
        """

    def note(self, call: ReturnedCall) -> None:
        """Write the call's present state: durable in a moment."""

    async def close(self, call: ReturnedCall, rows: list[CdrRow]) -> None:
        """Write the ended call and its rows once, and give its channels back."""

    async def open_calls(self, node: str) -> list[ReturnedCall]:
        """This node's returned calls that have not ended."""


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What an order is checked against: the company's numbers, its prefixes, the numbers the account may show."""

    company_numbers: Collection[str]
    prefixes: Prefixes
    caller_ids: Collection[str]


class Directory(Protocol):
    """The numbers of the company, as they are now."""

    async def order_facts(self, who: Account) -> OrderFacts:
        """What an order of this account is checked against."""


class Nodes(Protocol):
    """The telephony nodes of the installation."""

    async def beat(self, name: str, *, ready: bool, now: datetime) -> bool:
        """Say that the node lives, and whether its switch does; whether it was known until now."""

    async def silent(self, since: datetime) -> list[tuple[str, datetime]]:
        """The nodes nobody heard from after `since`, and when they were heard last."""

    def vacant(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Whether no living process has the name; while the block runs, none can take it."""

    async def forget(self, name: str) -> None:
        """The node is not expected back."""

    async def any_ready(self, now: datetime) -> bool:
        """Whether some node can take an order."""
