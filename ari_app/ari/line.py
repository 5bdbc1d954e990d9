"""One leg's channel as scopes: what is opened is closed, and a leg that ends by itself ends the body it stands in."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from ari_app.ari.client import AriClient, AriDisconnectedError, AriError, AriUnansweredError
from ari_app.ari.events import (
    AriEvent,
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelStateChange,
    Dial,
    PlaybackFinished,
    StasisStart,
)
from ari_app.ari.while_up import WhileUp
from ari_app.domain.ending import CAUSE_NORMAL, LegEnd, Party, Reason, cut, given_up, ring_limit
from ari_app.domain.leg import Leg, Role
from ari_app.ports import Clock, LegEnded, Line, PastLeg, PastLegs, SwitchError
from ari_app.shielding import to_the_end

GONE_WITHIN_S = 15
SETTLED_WITHIN_S = 5
DIAL_MARGIN_S = 5  # Asterisk gives up by itself this much after our own ring limit, should we be gone
MEDIA = "sound:kakehashi/"

_PARTY = {Role.AGENT: Party.AGENT, Role.CUSTOMER: Party.CUSTOMER}


class AriLine:
    """Implements `ports.Line`. Events come in through `take`, which never waits."""

    def __init__(
        self,
        client: AriClient,
        leg: Leg,
        peer: Leg,
        bridge_id: str,
        clock: Clock,
        past: PastLegs,
        on_leave: Callable[[], None],
    ) -> None:
        self.leg = leg
        self._left = False
        self._on_leave = on_leave
        self._peer = peer
        self._client = client
        self._bridge_id = bridge_id
        self._clock = clock
        self._past = past
        self._in_stasis = asyncio.Event()
        self._answered = asyncio.Event()
        self._played = asyncio.Event()
        self._gone = asyncio.Event()
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._stated: LegEnd | None = None
        self._bodies: list[Callable[[], None]] = []
        self._peer_left_first = False
        self._asked_to_dial = False

    # What the switch tells

    def take(self, event: AriEvent) -> None:
        """Write down what an event says of this leg."""
        match event:
            case StasisStart(name=name):
                self.leg.channel_name = name
                self._in_stasis.set()
            case Dial(dialstatus=""):
                self.leg.dial(event.at)
            case Dial(dialstatus="RINGING" | "PROGRESS") | ChannelStateChange(state="Ringing"):
                self.leg.dial(event.at)
                self.leg.ring(event.at)
            case ChannelStateChange(state="Up"):
                self.leg.dial(event.at)
                self.leg.answer(event.at)
                self._answered.set()
            case ChannelDtmfReceived(digit=digit):
                self._keys.put_nowait(digit)
            case PlaybackFinished():
                self._played.set()
            case ChannelDestroyed():
                self._finish(event)

    def resync(self, state: str | None, past: PastLeg | None) -> None:
        """The switch's word after a gap in the events: the channel's state, None when it is not there, and its past."""
        if self._gone.is_set():
            return
        if past is not None and past.answered_at is not None:
            self.leg.answer(past.answered_at)
        if state is None and self.leg.channel_name:
            self._lose(past)
        if state in ("Ringing", "Up"):
            self.leg.dial(self._clock.now())
        if state == "Up":
            self.take(ChannelStateChange(self._clock.now(), self.leg.channel_id, self.leg.channel_name, state))

    def _lose(self, past: PastLeg | None) -> None:
        at, cause = self._clock.now(), 0
        if past is not None and past.ended_at is not None:
            at, cause = past.ended_at, past.cause
        else:
            self.end_with(LegEnd(Reason.INTERRUPTED, Party.SYSTEM, 0, "Ended unseen"))
        self.take(ChannelDestroyed(at, self.leg.channel_id, cause, "", None))

    def end_with(self, end: LegEnd) -> None:
        """State how this leg ends; the first statement counts."""
        self._stated = self._stated or end

    def leave(self) -> None:
        """Leave the channel up on exit."""
        self._left = True
        self._on_leave()

    # What the flow asks

    async def create(self) -> None:
        """Create the channel, not dialled. Raises LegEnded when the switch cannot."""
        leg = self.leg
        try:
            channel = await self._client.channels.create(
                leg.channel_id, leg.endpoint, self._client.app, _variables(leg, self._peer)
            )
        except AriError as error:
            leg.finish(self._clock.now(), LegEnd(Reason.FAILED, Party.SYSTEM, 0, str(error)))
            self._gone.set()
            raise LegEnded(leg) from error
        leg.channel_name = channel["name"]
        await self._stasis_or_gone()

    async def find(self) -> None:
        """Take over a channel that is there already, or see that it is gone."""
        if self.leg.end is not None:
            self._gone.set()
            return
        try:
            if self.leg.inbound:
                # The end of a channel that we did not create is told to subscribers only (22.10.1).
                await self._client.applications.subscribe(self._client.app, f"channel:{self.leg.channel_id}")
            channel = await self._client.channels.get(self.leg.channel_id)
        except AriError:
            self._lose(await self._look_up())
        except AriDisconnectedError:
            pass  # the next connection looks for it again
        else:
            self.resync(channel["state"], await self._look_up())

    @asynccontextmanager
    async def ring(self, timeout: float, *, early_media_to: Line | None = None) -> AsyncIterator[None]:
        """Dial; enter once answered; hang up on exit."""
        async with self._alive():
            await self._dial(timeout)
            if early_media_to is not None:
                await early_media_to.join()
            try:
                async with asyncio.timeout(timeout):
                    await self._answered.wait()
            except TimeoutError:
                self.end_with(ring_limit())
                raise LegEnded(self.leg) from None
            yield

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """The scope of `ring`, for a leg that is up already."""
        async with self._alive():
            yield

    async def join(self) -> None:
        """Put the leg into its call's bridge."""
        async with self._asking():
            await self._client.bridges.add_channel(self._bridge_id, self.leg.channel_id)

    async def key(self, digit: str, *, prompt: str, timeout: float) -> bool:
        """Play a prompt until the key is pressed, or False when the time is up."""
        playback_id = f"{self.leg.channel_id}-{prompt}"
        try:
            async with asyncio.timeout(timeout):
                async with self._asking():
                    await self._client.channels.play(self.leg.channel_id, playback_id, MEDIA + prompt)
                while await self._keys.get() != digit:
                    pass
        except TimeoutError:
            return False
        with suppress(AriError):  # the prompt had ended by itself
            await self._client.playbacks.stop(playback_id)
        return True

    async def ringback(self) -> None:
        """Let the caller hear that it rings."""
        async with self._asking():
            await self._client.channels.ring(self.leg.channel_id)

    async def answer(self) -> None:
        """Answer a call that came in; harmless to repeat."""
        async with self._asking():
            await self._client.channels.answer(self.leg.channel_id)
        self.leg.answer(self._clock.now())

    async def say(self, prompt: str, *, timeout: float) -> None:
        """Play a prompt to its end."""
        self._played.clear()
        async with self._asking():
            await self._client.channels.play(self.leg.channel_id, f"{self.leg.channel_id}-{prompt}", MEDIA + prompt)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._played.wait()

    async def hang_up(self) -> None:
        """End the channel and wait until it is gone, so that its time and cause are known; to the end."""
        if not (self._gone.is_set() or self._left):
            await to_the_end(self._hang_up())

    # Scopes

    @asynccontextmanager
    async def _alive(self) -> AsyncIterator[None]:
        try:
            async with WhileUp(self):
                yield
        except BaseException as error:
            self.explain(error)
            raise
        finally:
            await self.hang_up()

    def explain(self, error: BaseException) -> None:
        """State why we hang this leg up, when it did not end by itself."""
        if (end := self._peer.end) is not None:
            reason = Reason.CANCELLED if self.leg.answered_at is None else Reason.COMPLETED
            self.end_with(LegEnd(reason, end.by, CAUSE_NORMAL, "Ended with the other leg"))
        elif isinstance(error, asyncio.CancelledError):
            self.end_with(cut(Party.SYSTEM, Reason.INTERRUPTED))
        elif not isinstance(error, LegEnded):
            self.end_with(cut(Party.SYSTEM, Reason.FAILED))

    def first_ended(self) -> Leg:
        """Of the two legs that ended, the one that left first."""
        return self._peer if self._peer_left_first else self.leg

    def watch(self, body: Callable[[], None]) -> None:
        """Call `body` when the leg is gone. Raises LegEnded when it is gone already."""
        if self._gone.is_set():
            raise LegEnded(self.first_ended())
        self._bodies.append(body)

    def unwatch(self, body: Callable[[], None]) -> None:
        """The body ended."""
        self._bodies.remove(body)

    async def _hang_up(self) -> None:
        try:
            async with asyncio.timeout(GONE_WITHIN_S):
                await self._ask_to_hang_up()
                await self._gone.wait()
        except (SwitchError, TimeoutError):
            # Gone already, or out of hearing: what is left of it is swept up once the switch is back.
            self._lose(await self._look_up())

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """A request that is refused because the channel is on its way out ends the leg."""
        try:
            yield
        except AriError:
            # 400, 404, 409 and 422 overtake ChannelDestroyed (2 times in 5 on 22.10.1).
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLED_WITHIN_S):
                    await self._gone.wait()
                    raise LegEnded(self.first_ended()) from None
            raise

    async def _ask_to_hang_up(self) -> None:
        while True:
            try:
                return await self._client.channels.hangup(self.leg.channel_id)
            except AriDisconnectedError:
                continue  # harmless to repeat; each try waits for the socket to come back
            except AriError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                async with asyncio.timeout(SETTLED_WITHIN_S):  # gone already, its end is on its way to us
                    await self._gone.wait()
                return None

    async def _look_up(self) -> PastLeg | None:
        """What the switch's own records say of this leg."""
        id_, since = self.leg.channel_id, self.leg.started_at
        return (await self._past.look_up([id_], since)).get(id_) if since else None

    async def _dial(self, timeout: float) -> None:
        async with self._asking():
            await to_the_end(self._ask_to_dial(math.ceil(timeout) + DIAL_MARGIN_S))

    async def _ask_to_dial(self, limit_s: int) -> None:
        self._asked_to_dial = True
        asked_at = self._clock.now()  # the leg may have been answered by the time we read Asterisk's answer
        with suppress(AriUnansweredError):  # it may have been carried out: the next connection tells, or the limit
            await self._client.channels.dial(self.leg.channel_id, limit_s)
        self.leg.dial(asked_at)

    async def _stasis_or_gone(self) -> None:
        try:
            async with asyncio.timeout(SETTLED_WITHIN_S):
                await self._in_stasis.wait()
        except TimeoutError:
            raise SwitchError(f"{self.leg.channel_id}: no StasisStart") from None
        if self._gone.is_set():
            raise LegEnded(self.leg)

    def _finish(self, event: ChannelDestroyed) -> None:
        if self._gone.is_set():
            return
        leg = self.leg
        answered, by = leg.answered_at is not None, _PARTY[leg.role]
        told = LegEnd.of_cause(event.cause, event.cause_text, event.tech_cause, answered=answered, by=by)
        if leg.inbound and not answered:
            told = given_up(by)
        elif not (self._asked_to_dial or leg.dialled):
            told = cut(Party.SYSTEM, Reason.INTERRUPTED)  # nobody was at that phone: another hand on the switch
        self._peer_left_first = self._peer.end is not None  # ARI's times are whole milliseconds, its order is exact
        leg.finish(event.at, self._stated or told)
        self._in_stasis.set()  # whoever waits for it need wait no longer
        self._gone.set()
        for body in list(self._bodies):
            body()


def _variables(leg: Leg, peer: Leg) -> dict[str, str]:
    """The number shown on this leg, and what it would show on the other.

    CONNECTEDLINE is what an outgoing channel puts into From and P-Asserted-Identity. When two channels are bridged,
    each one's CALLERID becomes the other's CONNECTEDLINE: so it is set to what the other leg shows anyway, and
    nobody's own number travels.
    """
    shown = {"CONNECTEDLINE(num,i)": leg.caller_id, "CALLERID(num)": peer.caller_id, "CHANNEL(language)": "ja"}
    if leg.withheld:
        shown["CONNECTEDLINE(pres,i)"] = "prohib"
    if peer.withheld:
        shown["CALLERID(pres)"] = "prohib"
    return shown
