"""A thin typed ARI client in ari-py's shape: one object a resource, its operations as methods.

Requests travel over the same WebSocket as the events (REST over WebSocket, Asterisk 22.4), so a response and the
events around it arrive in order; listings go by HTTP, because the socket's reader serves requests one by one.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog

from ari_app.ari.bus import EventBus
from ari_app.ari.events import READ, ApplicationReplaced, parse
from ari_app.ari.resources import Applications, Asterisk, Bridges, Channels, Endpoints, Playbacks
from ari_app.ports import SwitchError

RETRY_FIRST_S = 0.2
RETRY_MOST_S = 5.0
CONNECT_TIMEOUT_S = 5
REQUEST_TIMEOUT_S = 10
RECONNECT_WITHIN_S = 5
HEARTBEAT_S = 10
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

log = structlog.get_logger(__name__)


class AriError(SwitchError):
    """Asterisk refused a request. `status` is HTTP's."""

    def __init__(self, method: str, path: str, status: int, message: str) -> None:
        super().__init__(f"{method} {path}: {status} {message}")
        self.status = status


class AriDisconnectedError(SwitchError):
    """The socket is down."""


class AriUnansweredError(AriDisconnectedError):
    """The socket was lost before the answer: whether the request was carried out is not known."""


class AriClient:
    """One Stasis application on one Asterisk. Use `open_client`."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str, app: str) -> None:
        self.app = app
        self.bus: EventBus[Any] = EventBus()
        self.channels = Channels(self)
        self.bridges = Bridges(self)
        self.playbacks = Playbacks(self)
        self.endpoints = Endpoints(self)
        self.asterisk = Asterisk(self)
        self.applications = Applications(self)
        self.fenced = False
        self._http = http
        self._url = _rest_url(base_url)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._pending: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count()
        self._open = asyncio.Event()
        self._connected = asyncio.Event()
        self._on_connect: list[Callable[[], Awaitable[None]]] = []

    @property
    def connected(self) -> bool:
        """Whether events reach us."""
        return self._connected.is_set()

    async def wait_connected(self) -> None:
        """Return once events reach us."""
        await self._connected.wait()

    def on_connect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Await `callback` at each connection, before it counts: what was missed must be looked up."""
        self._on_connect.append(callback)

    async def request(
        self, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> Any:
        """One operation over the socket, once there is one; returns the decoded answer.

        Raises AriError; AriDisconnectedError when there is no socket in time, AriUnansweredError when it was lost.
        """
        socket = await self._open_socket(method, path)
        request_id = str(next(self._ids))
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = answer
        message: dict[str, Any] = {"type": "RESTRequest", "request_id": request_id, "method": method, "uri": path}
        if query:
            message["query_strings"] = [{"name": name, "value": value} for name, value in query.items()]
        if body is not None:
            message |= {"content_type": "application/json", "message_body": json.dumps(body)}
        try:
            await self._send(socket, json.dumps(message))
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                response = await answer
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise AriUnansweredError(f"{method} {path}") from error
        finally:
            self._pending.pop(request_id, None)
        return _answer(method, path, response["status_code"], response.get("message_body") or "")

    async def fetch(self, path: str) -> Any:
        """A GET over HTTP: listings, which would hold up the socket. Raises AriError, AriDisconnectedError."""
        try:
            async with self._http.get(f"{self._url}/{path}") as response:
                return _answer("GET", path, response.status, await response.text())
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise AriDisconnectedError(f"GET {path}") from error

    async def run(self) -> None:
        """Stay connected: back off, reconnect, until another client takes the application's name."""
        pause = RETRY_FIRST_S
        while not self.fenced:
            try:
                async with self._http.ws_connect(
                    f"{self._url}/events",
                    params={"app": self.app},
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MAX_MESSAGE_BYTES,
                ) as socket:
                    await self._converse(socket)
                pause = RETRY_FIRST_S
            except (OSError, TimeoutError, aiohttp.ClientError, SwitchError) as error:
                log.warning("ari_unreachable", error=type(error).__name__, retry_s=pause)
            if not self.fenced:
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MOST_S)
        log.error("ari_fenced", app=self.app, fix="another process uses this ARI_APP: stop it, then restart this one")

    async def _open_socket(self, method: str, path: str) -> aiohttp.ClientWebSocketResponse:
        if self._socket is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(RECONNECT_WITHIN_S):
                    await self._open.wait()
        if self._socket is None:
            raise AriDisconnectedError(f"{method} {path}")
        return self._socket

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, text: str) -> None:
        try:
            await socket.send_str(text)
        except (OSError, aiohttp.ClientError):
            if self._socket is socket:  # its reader has yet to find out: nobody else may try it meanwhile
                self._socket = None
                self._open.clear()
            raise

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._open.set()
        greeting = asyncio.create_task(self._greet(socket), name="ari-greeting")
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._read(message.data)
                if self.fenced:
                    return
        finally:
            self._connected.clear()
            self._open.clear()
            self._socket = None
            for answer in self._pending.values():
                if not answer.done():
                    answer.set_exception(AriUnansweredError("socket lost"))
            greeting.cancel()
            await asyncio.wait([greeting])
            log.warning("ari_disconnected", app=self.app)

    async def _greet(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            await self.applications.filter(self.app, [event.type for event in READ] + ["RESTResponse"])
            for callback in self._on_connect:
                await callback()
        except SwitchError as error:
            log.warning("ari_greeting_failed", error=str(error))
            await socket.close()
            return
        self._connected.set()
        log.info("ari_connected", app=self.app)

    def _read(self, text: str) -> None:
        try:
            message = json.loads(text)
            event = parse(message)
        except (ValueError, LookupError, TypeError, AttributeError):
            log.exception("ari_unreadable", text=text[:500])  # one strange event must not stop all the others
            return
        if message.get("type") == "RESTResponse":
            answer = self._pending.get(message.get("request_id", ""))
            if answer is not None and not answer.done():
                answer.set_result(message)
            return
        if isinstance(event, ApplicationReplaced):
            self.fenced = True
        elif event is not None:
            self.bus.dispatch(event)


@asynccontextmanager
async def open_client(base_url: str, username: str, password: str, app: str) -> AsyncIterator[AriClient]:
    """A client that connects in the background and stays connected until the end of the block."""
    async with open_reader(base_url, username, password, app) as client:
        task = asyncio.create_task(client.run(), name="ari-socket")
        try:
            yield client
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def open_reader(base_url: str, username: str, password: str, app: str) -> AsyncIterator[AriClient]:
    """A client for `fetch` only: it opens no socket, and so takes no events from whoever runs the application."""
    headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
        yield AriClient(http, base_url, app)


def _rest_url(base_url: str) -> str:
    url = base_url.rstrip("/")
    return url if url.endswith("/ari") else f"{url}/ari"


def _answer(method: str, path: str, status: int, text: str) -> Any:
    if status >= HTTPStatus.BAD_REQUEST:
        raise AriError(method, path, status, _message(text))
    return json.loads(text) if text else None


def _message(text: str) -> str:
    try:
        content = json.loads(text)
    except ValueError:
        return text[:200]
    return str(content.get("message") or content.get("error") or "") if isinstance(content, dict) else text[:200]
