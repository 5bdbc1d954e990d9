"""Asterisk as the switch of the flows: bridges, lines, and what is on it now."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any

import structlog

from ari_app.ari.bus import EventBus
from ari_app.ari.client import AriClient, AriError
from ari_app.ari.events import parse_time
from ari_app.ari.line import AriLine
from ari_app.domain.callback import call_of_channel, is_call_id
from ari_app.domain.ending import LegEnd
from ari_app.domain.leg import Leg
from ari_app.ports import Channel, Clock, PastLeg, PastLegs, SwitchError
from ari_app.shielding import to_the_end

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
        channels = {
            channel["id"]
            for channel in await self._client.channels.list()
            if self._is_ours(channel) and self._bus.get(channel["id"]) is None
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
        states = {channel["id"]: channel["state"] for channel in await self._client.channels.list()} if lines else {}
        missed = [line.leg for line in lines if line.leg.started_at and states.get(line.leg.channel_id) in (None, "Up")]
        since = min((leg.started_at for leg in missed if leg.started_at), default=self._clock.now())
        known = await self._past.look_up([leg.channel_id for leg in missed], since)
        # Who left first ended the call: in that order, those of whom nothing is known last.
        last = self._clock.now()
        for line in sorted(lines, key=lambda line: _ended_at(known.get(line.leg.channel_id)) or last):
            line.resync(states.get(line.leg.channel_id), known.get(line.leg.channel_id))

    def _is_ours(self, channel: dict[str, Any]) -> bool:
        dialplan = channel["dialplan"]
        in_our_app = (dialplan.get("app_name"), dialplan.get("app_data", "").split(",")[0]) == (
            "Stasis",
            self._client.app,
        )
        return call_of_channel(channel["id"]) is not None and in_our_app

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
