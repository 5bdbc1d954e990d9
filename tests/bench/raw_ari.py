"""A bare ARI loop, as an expert would write it: the product's ARI operations, no records, no rules, no recovery.

Over HTTP, or over the WebSocket of the events (REST over WebSocket), by the setting `transport`.
"""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import uvloop

from tests.bench import child
from tests.bench.contender import compete
from tests.bench.numbers import COMPANY, agent_number, customer_number

READ = ("StasisStart", "ChannelStateChange", "ChannelDestroyed", "RESTResponse")
RING_S = "30"

Rest = Callable[..., Awaitable[Any]]


class Leg:
    """What is awaited of one channel."""

    __slots__ = ("gone", "id", "started", "up")

    def __init__(self, channel_id: str) -> None:
        loop = asyncio.get_running_loop()
        self.id = channel_id
        self.started: asyncio.Future[None] = loop.create_future()
        self.up: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()


class RawAri:
    """Implements `contender.Contender`."""

    def __init__(self, http: aiohttp.ClientSession, url: str, app: str, *, over_socket: bool) -> None:
        self._http, self._url, self._app = http, url, app
        self._socket: aiohttp.ClientWebSocketResponse
        self._rest: Rest = self._over_socket if over_socket else self._over_http
        self._legs: dict[str, Leg] = {}
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count()

    async def call(self, slot: int) -> None:
        """Both legs created, the customer's in the bridge before it is dialled; who leaves ends it for both."""
        number = f"{self._app}-{next(self._ids)}"
        agent, customer = Leg(f"{number}-1"), Leg(f"{number}-2")
        self._legs |= {agent.id: agent, customer.id: customer}
        bridge = f"bridges/{number}"
        try:
            await self._rest("POST", bridge, {"type": "mixing"})
            await self._create(agent, agent_number(slot))
            await self._create(customer, customer_number(slot))
            await agent.started
            await customer.started
            await self._rest("POST", f"{bridge}/addChannel", {"channel": customer.id})
            await self._rest("POST", f"channels/{agent.id}/dial", {"timeout": RING_S})
            await agent.up
            await self._rest("POST", f"channels/{customer.id}/dial", {"timeout": RING_S})
            await self._rest("POST", f"{bridge}/addChannel", {"channel": agent.id})
            await customer.up
            await asyncio.wait((agent.gone, customer.gone), return_when=asyncio.FIRST_COMPLETED)
            await self._rest("DELETE", f"channels/{(agent if customer.gone.done() else customer).id}")
            await agent.gone
            await customer.gone
            await self._rest("DELETE", bridge)
        finally:
            del self._legs[agent.id], self._legs[customer.id]

    async def totals(self) -> dict[str, float]:
        """Nothing."""
        return {}

    async def converse(self, connected: asyncio.Event) -> None:
        """Open the socket, read events and answers."""
        async with self._http.ws_connect(f"{self._url}/events", params={"app": self._app}) as self._socket:
            greeting = asyncio.create_task(self._greet(connected))
            async for message in self._socket:
                self._read(json.loads(message.data))
            await greeting

    async def _greet(self, connected: asyncio.Event) -> None:
        allowed = {"allowed": [{"type": kind} for kind in READ]}
        await self._rest("PUT", f"applications/{self._app}/eventFilter", None, allowed)
        connected.set()

    async def _create(self, leg: Leg, number: str) -> None:
        query = {"endpoint": f"PJSIP/{number}@trunk", "app": self._app, "channelId": leg.id}
        await self._rest("POST", "channels/create", query, {"variables": {"CONNECTEDLINE(num,i)": COMPANY}})

    def _read(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "RESTResponse":
            self._answers[message["request_id"]].set_result(message)
            return
        leg = self._legs.get(message["channel"]["id"]) if "channel" in message else None
        if leg is None:
            return
        if kind == "StasisStart":
            leg.started.set_result(None)
        elif kind == "ChannelDestroyed":
            leg.gone.set_result(None)
        elif message["channel"]["state"] == "Up":
            leg.up.set_result(None)

    async def _over_http(
        self, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> None:
        async with self._http.request(method, f"{self._url}/{path}", params=query, json=body) as response:
            if response.status >= 300:
                raise RuntimeError(f"{method} {path}: {response.status} {await response.text()}")
            await response.read()

    async def _over_socket(
        self, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> None:
        request_id = str(next(self._ids))
        self._answers[request_id] = answer = asyncio.get_running_loop().create_future()
        message: dict[str, Any] = {"type": "RESTRequest", "request_id": request_id, "method": method, "uri": path}
        if query:
            message["query_strings"] = [{"name": name, "value": value} for name, value in query.items()]
        if body:
            message |= {"content_type": "application/json", "message_body": json.dumps(body)}
        await self._socket.send_str(json.dumps(message))
        response = await answer
        del self._answers[request_id]
        if response["status_code"] >= 300:
            raise RuntimeError(f"{method} {path}: {response['status_code']} {response.get('message_body')}")


async def _main() -> None:
    given = child.settings()
    login = {"Authorization": aiohttp.encode_basic_auth(given["username"], given["password"])}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=login, connector=connector) as http:
        over_socket = given["transport"] == "websocket"
        raw = RawAri(http, f"{given['url']}/ari", given["app"], over_socket=over_socket)
        connected = asyncio.Event()
        conversation = asyncio.create_task(raw.converse(connected))
        await connected.wait()
        await compete(raw)
        conversation.cancel()


if __name__ == "__main__":
    uvloop.run(_main())
