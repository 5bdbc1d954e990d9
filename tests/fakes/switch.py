"""A switch without telephones: the test answers, declines, presses and hangs up, by the number dialled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ari_app.ari.while_up import WhileUp
from ari_app.domain.ending import CAUSE_NORMAL, LegEnd, Party, Reason, cut, ring_limit
from ari_app.domain.leg import Leg, Role
from ari_app.ports import Channel, Clock, LegEnded, Line

ARRIVES_S = 5.0


class FakeSwitch:
    """Implements `ports.Switch`. What the far phones do is asked of the `phone` with their number."""

    def __init__(self, clock: Clock) -> None:
        self.ready = True
        self._clock = clock
        self._lines: dict[str, FakeLine] = {}
        self._changed = asyncio.Condition()

    # What a test does

    async def phone(self, number: str) -> "FakeLine":
        """The line that rings, or has rung, at this number; waits until it is dialled."""
        async with asyncio.timeout(ARRIVES_S), self._changed:
            await self._changed.wait_for(lambda: self._dialled(number) is not None)
        line = self._dialled(number)
        assert line is not None
        return line

    # What the flows ask

    @asynccontextmanager
    async def bridge(self, call_id: str) -> AsyncIterator[None]:
        """A bridge is nothing here."""
        yield

    @asynccontextmanager
    async def line(self, leg: Leg, peer: Leg, call_id: str) -> AsyncIterator["FakeLine"]:
        """A channel, gone on exit."""
        line = FakeLine(leg, peer, self._clock, self._tell)
        leg.channel_name = f"PJSIP/trunk-{leg.channel_id[-10:]}"
        self._lines[leg.channel_id] = line
        try:
            yield line
        finally:
            line.hang_up()
            del self._lines[leg.channel_id]

    def adopt_bridge(self, call_id: str):
        """As `bridge`."""
        return self.bridge(call_id)

    @asynccontextmanager
    async def adopt(self, leg: Leg, peer: Leg, call_id: str) -> AsyncIterator["FakeLine"]:
        """Nothing outlives this switch."""
        leg.finish(self._clock.now(), cut(Party.SYSTEM, Reason.INTERRUPTED))
        raise LegEnded(leg)
        yield

    async def cut(self, channel_id: str, end: LegEnd) -> bool:
        """End a leg with a stated end."""
        line = self._lines.get(channel_id)
        if line is not None:
            line.end(end)
        return line is not None

    async def hang_up(self, channel_id: str) -> None:
        """End any channel."""
        await self.cut(channel_id, cut(Party.ADMIN))

    async def sweep(self) -> None:
        """Nothing is left behind here."""

    async def channels(self) -> list[Channel]:
        """The dialled legs."""
        return [
            Channel(id_, line.leg.channel_name, "Up" if line.leg.answered_at else "Ringing", line.leg.number, at)
            for id_, line in self._lines.items()
            if (at := line.leg.started_at)
        ]

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _dialled(self, number: str) -> "FakeLine | None":
        lines = [line for line in self._lines.values() if line.leg.number == number and line.leg.dialled]
        return lines[-1] if lines else None


class FakeLine:
    """Implements `ports.Line`, and is the phone at its far end."""

    def __init__(self, leg: Leg, peer: Leg, clock: Clock, told: Callable[[], object]) -> None:
        self.leg = leg
        self.prompted: str | None = None
        self._peer = peer
        self._clock = clock
        self._told = told
        self._answered = asyncio.Event()
        self._gone = asyncio.Event()
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._stated: LegEnd | None = None
        self._bodies: list[Callable[[], None]] = []

    # The phone

    def answer(self) -> None:
        """Pick up."""
        self.leg.answer(self._clock.now())
        self._answered.set()

    def press(self, digit: str) -> None:
        """Press a key."""
        self._keys.put_nowait(digit)

    def put_down(self) -> None:
        """Hang up, or decline while it rings."""
        answered = self.leg.answered_at is not None
        by = Party.AGENT if self.leg.role is Role.AGENT else Party.CUSTOMER
        cause, status = (CAUSE_NORMAL, None) if answered else (21, 603)
        self.end(LegEnd.of_cause(cause, "", status, answered=answered, by=by))

    def be_busy(self) -> None:
        """Be engaged."""
        by = Party.AGENT if self.leg.role is Role.AGENT else Party.CUSTOMER
        self.end(LegEnd.of_cause(17, "User busy", 486, answered=False, by=by))

    # The line

    @asynccontextmanager
    async def ring(self, timeout: float, *, early_media_to: Line | None = None) -> AsyncIterator[None]:
        """Dial; enter once answered; hang up on exit."""
        try:
            async with WhileUp(self):
                self.leg.dial(self._clock.now())
                self.leg.ring(self._clock.now())
                await self._told()  # type: ignore[misc]
                try:
                    async with asyncio.timeout(timeout):
                        await self._answered.wait()
                except TimeoutError:
                    self.end_with(ring_limit())
                    raise LegEnded(self.leg) from None
                yield
        finally:
            self.hang_up()

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """As `ring`, for a leg that is up."""
        async with WhileUp(self):
            yield

    async def join(self) -> None:
        """Into the bridge."""
        self.leg.bridged_at = self._clock.now()

    async def key(self, digit: str, *, prompt: str, timeout: float) -> bool:
        """Wait for a key."""
        self.prompted = prompt
        try:
            async with asyncio.timeout(timeout):
                while await self._keys.get() != digit:
                    pass
        except TimeoutError:
            return False
        return True

    def end_with(self, end: LegEnd) -> None:
        """State how this leg ends; the first statement counts."""
        self._stated = self._stated or end

    def leave(self) -> None:
        """Nothing outlives this switch."""

    def hang_up(self) -> None:
        """End the leg for the other one's end, or for what was stated."""
        peer = self._peer.end
        by = peer.by if peer else Party.SYSTEM
        reason = Reason.COMPLETED if self.leg.answered_at else Reason.CANCELLED
        self.end(LegEnd(reason, by, CAUSE_NORMAL, "Ended with the other leg"))

    def end(self, end: LegEnd) -> None:
        """The channel is gone."""
        if self._gone.is_set():
            return
        self.leg.finish(self._clock.now(), self._stated or end)
        self._gone.set()
        for body in list(self._bodies):
            body()

    def watch(self, body: Callable[[], None]) -> None:
        """Call `body` when the leg is gone. Raises LegEnded when it is gone already."""
        if self._gone.is_set():
            raise LegEnded(self.leg)
        self._bodies.append(body)

    def unwatch(self, body: Callable[[], None]) -> None:
        """The body ended."""
        self._bodies.remove(body)

    def first_ended(self) -> Leg:
        """This leg: a phone here ends by the hand of a test, one at a time."""
        return self.leg
