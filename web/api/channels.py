"""/channels: チャネル使用状況, what is on the switch now, and cutting a wrong call."""

from typing import Annotated

from pydantic import Field

from ari_app.domain.callback import Callback, call_of_channel
from ari_app.domain.ending import Party, cut
from ari_app.domain.permissions import Action
from ari_app.errors import NotFoundError, TelephonyUnavailableError
from ari_app.ports import Channel, Switch, SwitchError
from web.api.caller import Caller
from web.api.operation import Resource
from web.api.schema import ChannelId, ListView, Time, View
from web.representation import iso_time

channels = Resource("/channels", "channels")


class ChannelView(View):
    """A channel. `state` is Asterisk's word; `call_id` is null for a channel that is no leg of ours."""

    id: str
    name: str
    state: str
    number: str
    created_at: Time
    bridge_id: str | None
    call_id: Annotated[str | None, Field(description="the callback whose leg this is")]


class ChannelList(ListView[ChannelView]):
    """Channels, oldest first; always the whole list."""


@channels.operation("GET", needs=Action.SEE_CHANNELS, refuses=(TelephonyUnavailableError,))
async def list_channels(caller: Caller) -> ChannelList:
    """List the switch's channels."""
    present = await _present(_switch(caller))
    return ChannelList(
        items=[
            ChannelView(
                id=channel.id,
                name=channel.name,
                state=channel.state,
                number=channel.number,
                created_at=iso_time(channel.created_at, caller.zone) or "",
                bridge_id=channel.bridge_id,
                call_id=call_of_channel(channel.id),
            )
            for channel in sorted(present, key=lambda channel: channel.created_at)
        ]
    )


@channels.operation("DELETE", "/{id}", needs=Action.CUT_ANY_CALL, refuses=(TelephonyUnavailableError,))
async def cut_channel(caller: Caller, id: ChannelId) -> None:  # noqa: A002 - the path's word
    """Cut a channel: a leg's whole callback, or a channel that is none of ours."""
    call = await _open_call(caller, id)
    if call is not None:
        await caller.services.desk.cancel(call, Party.ADMIN)
        return
    switch = _switch(caller)
    if id not in {channel.id for channel in await _present(switch)}:
        raise NotFoundError(value=id, field="channel")
    try:
        if not await switch.cut(id, cut(Party.ADMIN)):
            await switch.hang_up(id)
    except SwitchError:
        raise TelephonyUnavailableError from None


async def _open_call(caller: Caller, channel_id: str) -> Callback | None:
    call_id = call_of_channel(channel_id)
    if call_id is None:
        return None
    try:
        call = await caller.services.callbacks.get(call_id)
    except NotFoundError:
        return None
    return call if call.ended_at is None else None


def _switch(caller: Caller) -> Switch:
    if caller.services.switch is None:
        raise TelephonyUnavailableError
    return caller.services.switch


async def _present(switch: Switch) -> list[Channel]:
    try:
        return await switch.channels()
    except SwitchError:
        raise TelephonyUnavailableError from None
