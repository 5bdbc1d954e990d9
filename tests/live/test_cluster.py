"""Two Asterisk nodes, two telephony and two web processes over PostgreSQL; one node dies under load."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientTimeout

from ari_app.asterisk import instance
from ari_app.asterisk.config import Connection
from ari_app.config import Settings
from ari_app.domain.account import Account
from ari_app.domain.callback import State
from ari_app.domain.ending import Party, Reason
from web.credentials import fingerprint, new_token

from .exchange import Exchange, free_port, pbx_config, settings_for
from .office import SHOWN, Office, customer_number, open_office
from .service import Service
from .waiting import eventually, in_own_task

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

DEAD_S = 12.0
CALLS = 16  # before a node dies, and as many from then on
NODES = ("a", "b")


class Door:
    """A web process, as a browser or an integrator meets it; `told` is what its /events said."""

    def __init__(self, url: str, session: ClientSession, admin: str) -> None:
        self.told: dict[str, dict[str, tuple[float, dict[str, Any]]]] = {}
        self._url = f"{url}/api/v1"
        self._session = session
        self._admin = admin

    async def order(self, token: str, number: str) -> str:
        """Place a callback; returns its id."""
        body = {"caller_id": SHOWN, "customer_number": number}
        async with self._session.post(f"{self._url}/callbacks", json=body, headers=_bearer(token)) as answer:
            assert answer.status == 202, await answer.text()
            return str((await answer.json())["id"])

    async def cut(self, call_id: str) -> None:
        """End a call as the administrator."""
        async with self._session.delete(f"{self._url}/callbacks/{call_id}", headers=_bearer(self._admin)) as answer:
            assert answer.status < 300, await answer.text()

    async def listen(self) -> None:
        """Take in /events without end."""
        async with self._session.get(f"{self._url}/events", headers=_bearer(self._admin)) as response:
            assert response.status == 200
            name = ""
            async for line in response.content:
                key, _, value = line.decode().strip().partition(": ")
                if key == "event":
                    name = value
                elif key == "data" and name.startswith("call."):
                    call = json.loads(value)
                    self.told.setdefault(call["id"], {}).setdefault(name[5:], (time.monotonic(), call))

    async def heard(self, call_ids: list[str], state: State, limit_s: float = 15) -> dict[str, dict[str, Any]]:
        """The calls as they were told when they came to `state`."""
        await eventually(lambda: all(state in self.told.get(id_, {}) for id_ in call_ids), limit_s)
        return {id_: self.told[id_][state][1] for id_ in call_ids}


@dataclass
class Cluster:
    """Everything that runs."""

    office: Office
    doors: list[Door]
    nodes: dict[str, Service]
    asterisks: dict[str, Path]
    tokens: list[tuple[Account, str]] = field(default_factory=list)
    asked_at: dict[str, float] = field(default_factory=dict)

    async def order(self, count: int) -> dict[str, int]:
        """Place calls between phones that answer at once, through both doors by turns: ids and door numbers."""
        agents = [self.tokens.pop() for _ in range(count)]
        return dict(await asyncio.gather(*(self._order(who, turn % 2) for turn, who in enumerate(agents))))

    async def _order(self, agent: tuple[Account, str], door: int) -> tuple[str, int]:
        asked_at = time.monotonic()
        call_id = await self.doors[door].order(agent[1], customer_number("32"))
        self.asked_at[call_id] = asked_at
        return call_id, door

    def delays_s(self, calls: dict[str, int], state: State) -> list[float]:
        """From each order to the word of `state` at the other door than the one it came in by, the shortest first."""
        return sorted(self.doors[1 - door].told[id_][state][0] - self.asked_at[id_] for id_, door in calls.items())

    async def placed_on(self, name: str) -> set[str]:
        """The open calls of a node."""
        return {call.id for call in await self.office.services.callbacks.open_calls(name)}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster(
    exchange: Exchange, postgres: Any, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    """The carrier is the session's, the rest its own."""
    state = tmp_path_factory.mktemp("cluster")
    url = postgres.create(f"cluster_{secrets.token_hex(4)}", postgres_template)
    asterisks = {name: pbx_config(state / name, exchange.pbx.trunk.port) for name in NODES}
    connections: dict[str, Connection] = {}
    async with AsyncExitStack() as stack:
        for name, config in asterisks.items():
            connections[name] = await asyncio.to_thread(instance.start, config)
            stack.callback(instance.stop, config.dir)

        def settings(name: str, **changes: object) -> Settings:
            return settings_for(
                connections[name], state, database_url=url, ari_app="kakehashi", node_dead_s=DEAD_S,
                channel_limit=4 * CALLS, **changes,
            )  # fmt: skip

        office = await stack.enter_async_context(
            in_own_task(open_office(settings("a"), exchange.carrier, telephony=False))
        )
        nodes = {
            name: Service(settings(name), state / f"{name}.log", "--role", "telephony", "--node", name)
            for name in NODES
        }
        binds = [f"127.0.0.1:{free_port(socket.SOCK_STREAM)}" for _ in NODES]
        webs = [
            Service(settings("a", http_bind=bind), state / f"web{number}.log", "--role", "web")
            for number, bind in enumerate(binds)
        ]
        for service in (*nodes.values(), *webs):
            stack.push_async_callback(service.end, signal.SIGTERM)
        await asyncio.gather(*(service.start() for service in (*nodes.values(), *webs)))
        await eventually(office.services.desk.available)
        session = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=None)))
        admin = await _token(office, await office.services.accounts.by_login("admin"))
        doors = [Door(f"http://{bind}", session, admin) for bind in binds]
        listening = [asyncio.create_task(door.listen()) for door in doors]
        running = Cluster(office, doors, nodes, {name: config.dir for name, config in asterisks.items()})
        for _ in range(2 * CALLS + 1):
            who = await office.agent("33")
            running.tokens.append((who, await _token(office, who)))
        yield running
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


async def test_a_second_process_of_a_name_is_refused(cluster: Cluster) -> None:
    """With a word of what to do, and before it takes Asterisk's events from the first."""
    twin = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ari_app", "serve", "--role", "telephony", "--node", "a",
        env=cluster.nodes["a"].environment, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, told = await twin.communicate()
    assert twin.returncode == 1
    assert "--node" in told.decode()
    assert "ari_connected" not in told.decode()


async def test_one_node_dies_under_load(cluster: Cluster) -> None:
    office, doors = cluster.office, cluster.doors
    before = await cluster.order(CALLS)
    for door in doors:
        await door.heard(list(before), State.TALKING)
    accepted_s, ringing_s = (cluster.delays_s(before, state) for state in (State.ACCEPTED, State.RINGING_CUSTOMER))
    assert accepted_s[CALLS // 2] < 1, "told at once, not found out by looking again (REFRESH_S)"
    spread = {name: await cluster.placed_on(name) for name in NODES}
    assert {name: len(calls) for name, calls in spread.items()} == {"a": CALLS // 2, "b": CALLS // 2}

    pid = instance.status(cluster.asterisks["b"]).pid
    assert pid is not None
    killed_at = time.monotonic()
    await cluster.nodes["b"].end(signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    after = await cluster.order(CALLS)
    for number, door in enumerate(doors):
        await door.heard([id_ for id_, way in after.items() if way != number], State.TALKING)
    assert await cluster.placed_on("a") >= set(after), "the living node takes everything"

    for door in doors:
        for call in (await door.heard(list(spread["b"]), State.ENDED, DEAD_S + 15)).values():
            assert (call["reason"], call["result"]) == (Reason.INTERRUPTED, "agent_answered")
    settled_s = time.monotonic() - killed_at
    assert settled_s < DEAD_S + 8
    going = spread["a"] | set(after)
    assert {call.id for call in await office.services.callbacks.all_open()} == going
    assert {(await office.services.callbacks.get(id_)).state for id_ in going} == {State.TALKING}
    assert await office.services.callbacks.reserved_channels() == 2 * len(going)
    rows = await office.services.cdrs.of_calls(list(spread["b"]))
    ways = Counter((row.leg, row.node, row.ended_by) for of_call in rows.values() for row in of_call)
    assert ways == {(leg, "b", Party.SYSTEM): len(spread["b"]) for leg in (1, 2)}

    asked_at = time.monotonic()
    await asyncio.gather(*(doors[1].cut(id_) for id_ in going))
    await doors[0].heard(list(going), State.ENDED)
    cut_s = sorted(doors[0].told[id_][State.ENDED][0] - asked_at for id_ in going)
    assert await office.services.callbacks.reserved_channels() == 0
    assert await office.services.callbacks.all_open() == []
    print(
        f"{CALLS} orders at once, median until the other web process told: accepted {accepted_s[CALLS // 2]:.3f} s,"
        f" customer rings {ringing_s[CALLS // 2]:.3f} s"
    )
    print(f"settled {settled_s:.1f} s after the kill; {len(going)} cuts in {cut_s[0]:.3f} to {cut_s[-1]:.3f} s")


async def _token(office: Office, who: Account) -> str:
    secret, services = new_token(), office.services
    await services.access.add_token(fingerprint(secret), who.id, "", None, services.clock.now(), None)
    return secret


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
