"""Asterisk as the switch of the flows: bridges, lines, and what is on it now."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import structlog

from ari_app.ari.bus import EventBus
from ari_app.ari.client import AriClient, AriError
from ari_app.ari.events import parse_time
from ari_app.ari.line import AriLine
from ari_app.domain.callback import call_of_channel
from ari_app.domain.ending import LegEnd
from ari_app.domain.leg import Leg
from ari_app.ports import Channel, Clock, SwitchError
from ari_app.shielding import to_the_end

log = structlog.get_logger(__name__)


class AriSwitch:
    """Implements `ports.Switch`."""

    def __init__(self, client: AriClient, clock: Clock) -> None:
        self._client = client
        self._bus: EventBus[AriLine] = client.bus
        self._clock = clock
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
        await self._client.bridges.create(call_id)
        try:
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
            if channel["state"] != "Down"
        ]

    async def sweep(self) -> None:
        """End what has our kind of id and belongs to no flow, once it was seen in two sweeps."""
        orphans = {
            channel["id"]
            for channel in await self._client.channels.list()
            if call_of_channel(channel["id"]) and self._bus.get(channel["id"]) is None
        }
        for channel_id in orphans & self._suspects:
            log.warning("orphan_hung_up", channel_id=channel_id)
            await self.hang_up(channel_id)
        self._suspects = orphans

    @asynccontextmanager
    async def _line(self, leg: Leg, peer: Leg, call_id: str) -> AsyncIterator[AriLine]:
        line = AriLine(self._client, leg, peer, call_id, self._clock, lambda: self._left.add(call_id))
        with self._bus.subscribed(leg.channel_id, line):
            try:
                yield line
            except BaseException as error:
                line.explain(error)
                raise
            finally:
                await to_the_end(line.hang_up())

    async def _destroy_bridge(self, call_id: str) -> None:
        if call_id in self._left:
            self._left.discard(call_id)
            return
        try:
            await _unless_gone(self._client.bridges.destroy(call_id))
        except SwitchError as error:
            log.warning("bridge_left", bridge_id=call_id, error=str(error))

    async def _resync(self) -> None:
        lines = self._bus.listeners()
        states = {channel["id"]: channel["state"] for channel in await self._client.channels.list()} if lines else {}
        for line in lines:
            line.resync(states.get(line.leg.channel_id))

    def _number(self, channel: dict[str, Any]) -> str:
        line = self._bus.get(channel["id"])
        return line.leg.number if line else str(channel["caller"]["number"])


async def _unless_gone(request: Awaitable[None]) -> None:
    """What is gone already needs no closing: decided here, once."""
    try:
        await request
    except AriError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
