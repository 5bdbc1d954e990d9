"""A scripted Asterisk: ARI over HTTP and WebSocket in the order and shape of 22.10.1, phones that do as they are told.

`story` is everything that happened, one line each; `asked` only what was asked of the switch:
`bridge`, `create 09011110001 shows 0312345678`, `join …`, `dial …`, `play press-1 to …`, `hang up …`, `unbridge`.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from tests.fakes.phones import NORMAL, FakeChannel, Phone, ari_time

USERNAME, PASSWORD = "kakehashi", "secret"
LATE_S = 0.005
UNDIALLED_TECH_CAUSE = 603  # what 22.10.1 tells of a channel that is hung up before it was dialled
PHRASES = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 404: "Not Found", 409: "Conflict"}

Answer = tuple[int, Any]


class Asterisk:
    """One scripted switch. Use `running_asterisk`."""

    def __init__(self) -> None:
        self.url = ""
        self.channels: dict[str, FakeChannel] = {}
        self.bridges: dict[str, list[str]] = {}
        self.ever: dict[str, FakeChannel] = {}
        self.story: list[str] = []
        self.asked: list[str] = []
        self.connections = 0
        self.events_first: Callable[[str], bool] = lambda line: False
        self.closed_to_all = False
        self.listings = asyncio.Event()  # cleared: what was listed is not answered yet
        self.listings.set()
        self._phones: dict[str, Phone] = {}
        self._hooks: list[tuple[str, Callable[[], object]]] = []
        self._refusals: list[tuple[str, int, str]] = []
        self._socket: web.WebSocketResponse | None = None
        self._allowed: set[str] | None = None
        self._out: deque[dict[str, Any] | str] = deque()
        self._held: list[dict[str, Any]] = []
        self._holding = False
        self._late: list[dict[str, Any]] = []
        self._wake = asyncio.Event()
        self._happened = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._playbacks: set[str] = set()

    # What a test says

    def phone(self, number: str) -> Phone:
        """The phone of a number."""
        return self._phones.setdefault(number, Phone(self, number))

    def upon(self, line: str, act: Callable[[], object]) -> None:
        """Do something once, as soon as the story has this line: for a request, before it is carried out."""
        self._hooks.append((line, act))

    def refuse(self, request: str, status: int, message: str = "refused") -> None:
        """Refuse a request once."""
        self._refusals.append((request, status, message))

    async def until(self, line: str) -> None:
        """Wait until the story has this line."""
        async with asyncio.timeout(5):
            while line not in self.story:
                self._happened.clear()
                await self._happened.wait()

    def cut_socket(self) -> None:
        """Drop the connection; events from now on are lost until the client is back."""
        socket, self._socket = self._socket, None
        if socket is not None and (transport := socket._req.transport if socket._req else None):
            transport.abort()

    def stall(self) -> None:
        """Neither read nor write any more on the present connection, heartbeats included."""
        self._reading.clear()

    def unstall(self) -> None:
        """Read again."""
        self._reading.set()

    def replace_application(self) -> None:
        """Another client takes the application's name: the old socket stays open and hears no more events."""
        self.emit("ApplicationReplaced")
        self._allowed = {"RESTResponse"}

    # What happens

    def note(self, line: str) -> None:
        """One more line of the story: whoever waits for it acts."""
        self.story.append(line)
        self._happened.set()
        for hook in [hook for hook in self._hooks if hook[0] == line]:
            if hook in self._hooks:
                self._hooks.remove(hook)
                hook[1]()
        for phone in list(self._phones.values()):
            phone.go_on()

    def emit(self, type_: str, **facts: Any) -> None:
        """Send an event, after the response that is being prepared unless `events_first`."""
        event = {"type": type_, "timestamp": ari_time(datetime.now(UTC)), **facts}
        event |= {"asterisk_id": "02:00:00:00:00:01", "application": "kakehashi"}
        if self._holding:
            self._held.append(event)
        else:
            self._send(event)

    def emit_late(self, type_: str, **facts: Any) -> None:
        """Send an event a little after the next response."""
        self._late.append(
            {"type": type_, "timestamp": ari_time(datetime.now(UTC)), **facts, "application": "kakehashi"}
        )

    def forget(self, channel: FakeChannel) -> None:
        """A channel is gone."""
        self.channels.pop(channel.id, None)
        for bridge_id, members in self.bridges.items():
            if channel.id in members:
                members.remove(channel.id)
                self.emit("ChannelLeftBridge", bridge={"id": bridge_id}, channel=channel.snapshot())

    def _send(self, message: dict[str, Any]) -> None:
        if self._allowed is not None and message["type"] not in self._allowed:
            return
        if self._socket is not None:
            self._out.append(message)
            self._wake.set()

    # The wire

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self.closed_to_all:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self._socket, self._allowed = socket, None
        self._out.clear()
        self.connections += 1
        writer = asyncio.create_task(self._write(socket))
        try:
            async for message in socket:
                await self._reading.wait()
                if message.type is aiohttp.WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type is aiohttp.WSMsgType.TEXT:
                    self._serve(json.loads(message.data))
        finally:
            if self._socket is socket:
                self._socket = None
            writer.cancel()
            self.note("disconnected")
        return socket

    async def _write(self, socket: web.WebSocketResponse) -> None:
        while True:
            await self._wake.wait()
            await self._reading.wait()
            self._wake.clear()
            while self._out and self._socket is socket:
                message = self._out.popleft()
                await socket.send_str(message if isinstance(message, str) else json.dumps(message))

    def _serve(self, request: dict[str, Any]) -> None:
        query = {pair["name"]: pair["value"] for pair in request.get("query_strings", [])}
        body = json.loads(request.get("message_body") or "null")
        path = request["uri"].split("/")
        line = self._words(request["method"], path, query, body)
        self._held, self._holding = [], True
        try:
            if line:
                self.asked.append(line)
                self.note(line)
            status, content = self._refusal(line) or self._carry_out(request["method"], path, query, body)
        finally:
            self._holding = False
        response = {
            "type": "RESTResponse",
            "transaction_id": "",
            "request_id": request["request_id"],
            "status_code": status,
            "reason_phrase": PHRASES.get(status, "Error"),
            "uri": request["uri"],
            "application": "kakehashi",
        }
        if content is not None:
            response |= {"content_type": "application/json", "message_body": json.dumps(content)}
        events, self._held = self._held, []
        for message in [*events, response] if self.events_first(line) else [response, *events]:
            self._send(message)
        late, self._late = self._late, []
        for message in late:
            asyncio.get_running_loop().call_later(LATE_S, self._send, message)

    def _refusal(self, line: str) -> Answer | None:
        for refusal in self._refusals:
            if refusal[0] == line:
                self._refusals.remove(refusal)
                return refusal[1], {"message": refusal[2]}
        return None

    def _words(self, method: str, path: list[str], query: dict[str, str], body: Any) -> str:
        match method, *path:
            case "PUT", "applications", _, "eventFilter":
                return "filter"
            case "POST", "channels", "create":
                variables = body["variables"]
                shown = variables["CONNECTEDLINE(num,i)"]
                withheld = " withheld" if variables.get("CONNECTEDLINE(pres,i)") == "prohib" else ""
                return f"create {_dialled(query['endpoint'])} shows {shown}{withheld}"
            case "POST", "channels", id_, "dial":
                return f"dial {self._number(id_)}"
            case "POST", "channels", id_, "play", _:
                return f"play {query['media'].rpartition('/')[2]} to {self._number(id_)}"
            case "DELETE", "channels", id_:
                return f"hang up {self._number(id_)}"
            case "GET", "channels", id_:
                return f"look at {self._number(id_)}"
            case "DELETE", "playbacks", id_:
                return f"stop {id_}"
            case "POST", "bridges", _, "addChannel":
                return f"join {self._number(query['channel'])}"
            case "POST", "bridges", _:
                return "bridge"
            case "DELETE", "bridges", _:
                return "unbridge"
        raise AssertionError(f"not scripted: {method} {path}")

    def _number(self, channel_id: str) -> str:
        return self.ever[channel_id].number if channel_id in self.ever else channel_id

    # ARI

    def _carry_out(self, method: str, path: list[str], query: dict[str, str], body: Any) -> Answer:
        match method, *path:
            case "PUT", "applications", app, "eventFilter":
                self._allowed = {allowed["type"] for allowed in body["allowed"]}
                self.note(f"connection {self.connections}")
                return 200, {"name": app, "events_allowed": body["allowed"]}
            case "POST", "channels", "create":
                return self._create(query, body["variables"])
            case "POST", "bridges", id_:
                if id_ in self.bridges:
                    return 409, {"message": f"Bridge with id '{id_}' already exists"}
                self.bridges[id_] = []
                return 200, self._bridge(id_)
            case "POST", "bridges", id_, "addChannel":
                return self._add(id_, query["channel"])
            case "DELETE", "bridges", id_:
                if id_ not in self.bridges:
                    return 404, {"message": "Bridge not found"}
                del self.bridges[id_]
                return 204, None
            case "DELETE", "playbacks", id_:
                if id_ not in self._playbacks:
                    return 404, {"message": "Playback not found"}
                self._playbacks.discard(id_)
                return 204, None
        channel = self.channels.get(path[1])
        if channel is None:
            return 404, {"message": "Channel not found"}
        return self._on_channel(method, channel, path[2:], query)

    def _on_channel(self, method: str, channel: FakeChannel, rest: list[str], query: dict[str, str]) -> Answer:
        match method, *rest:
            case ("GET",):
                return 200, channel.snapshot()
            case ("DELETE",):
                undialled = channel.dial_timeout_s is None
                channel.end(NORMAL, UNDIALLED_TECH_CAUSE if undialled else None, soft=True)
                return 204, None
            case "POST", "dial":
                if not channel.in_stasis:
                    return 409, {"message": "Channel not in Stasis application"}
                if channel.state != "Down" or channel.dial_timeout_s is not None:
                    return 409, {"message": "Channel is not in the 'Down' state"}
                channel.dial_timeout_s = int(query["timeout"])
                channel.dialling("", f"{channel.number}@trunk")
                self.phone(channel.number).called(channel)
                return 204, None
            case "POST", "play", id_:
                self._playbacks.add(id_)
                return 201, {"id": id_, "media_uri": query["media"], "state": "queued"}
        raise AssertionError(f"not scripted: {method} channels/{rest}")

    def _create(self, query: dict[str, str], variables: dict[str, str]) -> Answer:
        if query["channelId"] in self.ever:
            return 409, {"message": "Channel with given unique ID already exists"}
        phone = self.phone(_dialled(query["endpoint"]))
        if phone.refused is not None:
            return phone.refused[0], {"error": phone.refused[1]}
        name = f"PJSIP/trunk-{len(self.ever):08x}"
        channel = FakeChannel(self, query["channelId"], name, phone.number, variables)
        self.channels[channel.id] = self.ever[channel.id] = channel
        snapshot = channel.snapshot()
        if not phone.never_starts:
            channel.enter_stasis()
        return 200, snapshot

    def _add(self, bridge_id: str, channel_id: str) -> Answer:
        channel = self.channels.get(channel_id)
        if bridge_id not in self.bridges:
            return 404, {"message": "Bridge not found"}
        if channel is None:
            return 400, {"message": "Channel not found"}
        if not channel.in_stasis:
            return 422, {"message": "Channel not in Stasis application"}
        if channel_id not in self.bridges[bridge_id]:
            self.bridges[bridge_id].append(channel_id)
        return 204, None

    def _bridge(self, id_: str) -> dict[str, Any]:
        return {"id": id_, "bridge_type": "mixing", "bridge_class": "stasis", "channels": list(self.bridges[id_])}

    # HTTP

    async def _get(self, request: web.Request) -> web.Response:
        if self.closed_to_all:
            raise web.HTTPServiceUnavailable
        answer = self._listed(request.match_info["what"])
        self.note(f"GET {request.match_info['what']}")
        await self.listings.wait()
        return answer

    def _listed(self, what: str) -> web.Response:
        match what:
            case "channels":
                return web.json_response([channel.snapshot() for channel in self.channels.values()])
            case "bridges":
                return web.json_response([self._bridge(id_) for id_ in self.bridges])
            case "asterisk/info":
                return web.json_response({"system": {"version": "22.10.1"}})
        return web.json_response({"message": "Not Found"}, status=404)


@asynccontextmanager
async def running_asterisk() -> AsyncIterator[Asterisk]:
    """A scripted Asterisk on a port of its own."""
    asterisk = Asterisk()
    app = web.Application(middlewares=[_authorised])
    app.router.add_get("/ari/events", asterisk._events)
    app.router.add_get("/ari/{what:.+}", asterisk._get)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    asterisk.url = f"http://{host}:{port}"
    try:
        yield asterisk
    finally:
        asterisk.unstall()
        await runner.cleanup()


@web.middleware
async def _authorised(request: web.Request, handler: Any) -> web.StreamResponse:
    if request.headers.get("Authorization") != aiohttp.encode_basic_auth(USERNAME, PASSWORD):
        return web.json_response({"message": "Authentication required"}, status=401)
    response: web.StreamResponse = await handler(request)
    return response


def _dialled(endpoint: str) -> str:
    return endpoint.removeprefix("PJSIP/").removesuffix("@trunk")
