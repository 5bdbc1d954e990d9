"""Live state over SSE: what is so first, then what happens."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from ari_app.ports import Event
from web.services import SERVICES

HEARTBEAT_S = 15.0
REFRESH_S = 5.0
SETTLE_S = 0.5  # what was told just before a client came may be written down just after

STOPPING: web.AppKey[asyncio.Event] = web.AppKey("stopping", asyncio.Event)


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent event. `id` is what a client that comes back says it saw last."""

    name: str
    data: str
    id: str | None = None


def setup(app: web.Application) -> None:
    """Let open streams end when the application stops."""
    app[STOPPING] = asyncio.Event()
    app.on_shutdown.append(_stop)


async def event_stream(
    request: web.Request,
    *,
    opening: Callable[[str | None], Awaitable[Iterable[Message]]],
    told: Callable[[Event], Message | None],
    refreshed: Callable[[], Awaitable[Iterable[Message] | None]] | None = None,
) -> web.StreamResponse:
    """Stream until the client leaves or the application stops.

    `opening` gives the present state, from the client's Last-Event-ID or None; `told` what an event means to this
    client, None for nothing. `refreshed`, asked after SETTLE_S and then every REFRESH_S, gives what changed without an
    event reaching us, or None to end the stream.
    A comment every HEARTBEAT_S keeps the connection up.
    """
    response = EventSourceResponse(ping_interval=HEARTBEAT_S)
    # aiohttp-sse lets a client that leaves mid-send surface as an error of ours.
    with contextlib.suppress(ConnectionResetError):
        # Subscribed first: what happens while the present state is read is not missed.
        async with request.app[SERVICES].bus.subscribe() as events:
            messages = await opening(request.headers.get("Last-Event-ID"))
            await response.prepare(request)
            async with response:
                await _send(response, messages)
                stop = asyncio.ensure_future(request.app[STOPPING].wait())
                coming = asyncio.ensure_future(anext(events))
                refresh_at = time.monotonic() + SETTLE_S
                try:
                    while response.is_connected() and not stop.done():
                        quiet_s = max(0.0, refresh_at - time.monotonic())
                        done, _ = await asyncio.wait(
                            {stop, coming}, timeout=quiet_s, return_when=asyncio.FIRST_COMPLETED
                        )
                        if coming in done:
                            message = told(coming.result())
                            coming = asyncio.ensure_future(anext(events))
                            await _send(response, [message] if message else [])
                        if time.monotonic() >= refresh_at:
                            refresh_at = time.monotonic() + REFRESH_S
                            changed = await refreshed() if refreshed else ()
                            if changed is None:
                                break
                            await _send(response, changed)
                finally:
                    stop.cancel()
                    coming.cancel()
    return response


async def _send(response: EventSourceResponse, messages: Iterable[Message]) -> None:
    for message in messages:
        await response.send(message.data, event=message.name, id=message.id)


async def _stop(app: web.Application) -> None:
    app[STOPPING].set()
