"""Asterisk as the switch of the flows: bridges, lines, and what is on it now."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any

import structlog

from ari_app.ari.bus import EventBus
from ari_app.ari.client import AriClient, AriError
from ari_app.ari.events import AriEvent, StasisStart, parse_time
from ari_app.ari.line import AriLine
from ari_app.domain.callback import call_of_channel, is_call_id
from ari_app.domain.ending import LegEnd
from ari_app.domain.leg import Leg
from ari_app.ports import Arrival, Channel, Clock, PastLeg, PastLegs, SwitchError
from ari_app.shielding import to_the_end

RETURNED = "returned"  # Stasis()'s first argument for a call that came in, in dialplan/extensions.conf

log = structlog.get_logger(__name__)


class AriSwitch:
    """Implements `ports.Switch`."""

    def __init__(self, client: AriClient, clock: Clock, past: PastLegs) -> None:
        self._client = client
        self._bus: EventBus[AriLine] = client.bus
        self._clock = clock
        self._past = past
        self._left: set[str] = set()
        self._suspects: set[str] = set()
        self._take: Callable[[Arrival], None] | None = None
        client.on_connect(self._resync)

    @property
    def ready(self) -> bool:
        """Whether events reach us."""
        return self._client.connected

    @asynccontextmanager
    async def bridge(self, call_id: str) -> AsyncIterator[None]:
        """The bridge of a call."""
        try:
            await self._client.bridges.create(call_id)
            yield
        finally:
            await to_the_end(self._destroy_bridge(call_id))

    @asynccontextmanager
    async def adopt_bridge(self, call_id: str) -> AsyncIterator[None]:
        """The bridge of a call that was there before us."""
        try:
            yield
        finally:
            await to_the_end(self._destroy_bridge(call_id))

    @asynccontextmanager
    async def line(self, leg: Leg, peer: Leg, call_id: str) -> AsyncIterator[AriLine]:
        """A channel for `leg`."""
        async with self._line(leg, peer, call_id) as line:
            await line.create()
            yield line

    @asynccontextmanager
    async def adopt(self, leg: Leg, peer: Leg, call_id: str) -> AsyncIterator[AriLine]:
        """A channel that is there already."""
        async with self._line(leg, peer, call_id) as line:
            await self._client.wait_connected()
            await line.find()
            yield line

    @asynccontextmanager
    async def arrivals(self, take: Callable[[Arrival], None]) -> AsyncIterator[None]:
        """Calls that come in, from now on and already waiting."""
        self._take, self._bus.stranger = take, self._arrived
        try:
            if self.ready:
                self._meet(await self._client.channels.list())
            yield
        finally:
            self._take = self._bus.stranger = None

    async def release(self, channel_id: str) -> None:
        """Back to the dialplan; one that is gone is success."""
        await _unless_gone(self._client.channels.continue_in_dialplan(channel_id))

    async def cut(self, channel_id: str, end: LegEnd) -> bool:
        """End a leg of ours with a stated end."""
        line = self._bus.get(channel_id)
        if line is None:
            return False
        line.end_with(end)
        await self.hang_up(channel_id)
        return True

    async def hang_up(self, channel_id: str) -> None:
        """End any channel; one that is gone is success."""
        await _unless_gone(self._client.channels.hangup(channel_id))

    async def channels(self) -> list[Channel]:
        """What is on the switch now, legs that were never dialled left out."""
        bridge_of = {
            channel: bridge["id"] for bridge in await self._client.bridges.list() for channel in bridge["channels"]
        }
        return [
            Channel(
                id=channel["id"],
                name=channel["name"],
                state=channel["state"],
                number=self._number(channel),
                created_at=parse_time(channel["creationtime"]),
                bridge_id=bridge_of.get(channel["id"]),
            )
            for channel in await self._client.channels.list()
            if self._is_dialled(channel)
        ]

    async def sweep(self) -> None:
        """End what has our kind of id and belongs to no flow, once it was seen in two sweeps."""
        present = await self._client.channels.list()
        self._meet(present)
        channels = {
            channel["id"] for channel in present if self._is_ours(channel) and self._bus.get(channel["id"]) is None
        }
        empty = {bridge["id"] for bridge in await self._client.bridges.list() if not bridge["channels"]}
        running = {call_of_channel(line.leg.channel_id) for line in self._bus.listeners()}
        bridges = set(filter(is_call_id, empty - running))
        for id_ in channels & self._suspects:
            log.warning("orphan_hung_up", channel_id=id_)
            await self.hang_up(id_)
        for id_ in bridges & self._suspects:
            log.warning("orphan_bridge_destroyed", bridge_id=id_)
            await _unless_gone(self._client.bridges.destroy(id_))
        self._suspects = channels | bridges

    @asynccontextmanager
    async def _line(self, leg: Leg, peer: Leg, call_id: str) -> AsyncIterator[AriLine]:
        line = AriLine(self._client, leg, peer, call_id, self._clock, self._past, lambda: self._left.add(call_id))
        with self._bus.subscribed(leg.channel_id, line):
            try:
                yield line
            except BaseException as error:
                line.explain(error)
                raise
            finally:
                await line.hang_up()

    async def _destroy_bridge(self, call_id: str) -> None:
        if call_id in self._left:
            self._left.discard(call_id)
            return
        try:
            await _unless_gone(self._client.bridges.destroy(call_id))
        except SwitchError as error:
            log.warning("bridge_left", bridge_id=call_id, error=str(error))

    async def _resync(self) -> None:
        # Those that were there before the list was asked for: a channel created meanwhile is not lost.
        lines = [line for line in self._bus.listeners() if line.leg.channel_name]
        present = await self._client.channels.list() if lines or self._take else []
        states = {channel["id"]: channel["state"] for channel in present}
        missed = [line.leg for line in lines if line.leg.started_at and states.get(line.leg.channel_id) in (None, "Up")]
        since = min((leg.started_at for leg in missed if leg.started_at), default=self._clock.now())
        known = await self._past.look_up([leg.channel_id for leg in missed], since)
        # Who left first ended the call: in that order, those of whom nothing is known last.
        last = self._clock.now()
        for line in sorted(lines, key=lambda line: _ended_at(known.get(line.leg.channel_id)) or last):
            line.resync(states.get(line.leg.channel_id), known.get(line.leg.channel_id))
        self._meet(present)

    def _arrived(self, event: AriEvent) -> None:
        if isinstance(event, StasisStart):
            self._welcome(event.at, event.channel_id, event.name, event.args)

    def _meet(self, present: list[dict[str, Any]]) -> None:
        """Those that came in while nobody listened are waiting still."""
        for channel in present:
            if channel["state"] == "Ring" and self._bus.get(channel["id"]) is None:
                app, *args = self._stasis_data(channel)
                if app == self._client.app:
                    self._welcome(parse_time(channel["creationtime"]), channel["id"], channel["name"], tuple(args))

    def _welcome(self, at: datetime, channel_id: str, name: str, args: tuple[str, ...]) -> None:
        match args:
            case (kind, called, caller) if kind == RETURNED and self._take is not None:
                self._take(Arrival(at, channel_id, name, called, caller))

    def _is_ours(self, channel: dict[str, Any]) -> bool:
        app, *args = self._stasis_data(channel)
        came_in = args[:1] == [RETURNED] and channel["state"] == "Up"
        return app == self._client.app and (came_in or call_of_channel(channel["id"]) is not None)

    def _stasis_data(self, channel: dict[str, Any]) -> list[str]:
        """The application's name and the arguments of a channel that is in Stasis; an empty name for another."""
        dialplan = channel["dialplan"]
        return str(dialplan.get("app_data", "")).split(",") if dialplan.get("app_name") == "Stasis" else [""]

    def _is_dialled(self, channel: dict[str, Any]) -> bool:
        # A channel stays Down while its network only talks (183): then what we know of the leg decides.
        line = self._bus.get(channel["id"])
        return channel["state"] != "Down" or (line is not None and line.leg.dialled)

    def _number(self, channel: dict[str, Any]) -> str:
        line = self._bus.get(channel["id"])
        return line.leg.number if line else str(channel["caller"]["number"])


def _ended_at(past: PastLeg | None) -> datetime | None:
    return past.ended_at if past else None


async def _unless_gone(request: Awaitable[None]) -> None:
    """What is gone already needs no closing: decided here, once."""
    try:
        await request
    except AriError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
