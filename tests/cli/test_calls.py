"""`call`, `calls` and `cdr`, with a telephony node in another thread that carries orders out by the book."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from ari_app.domain.callback import Callback
from ari_app.domain.cdr import rows_of
from ari_app.domain.ending import LegEnd, Party, Reason, cut
from db.callbacks import CallbackStore
from db.engine import open_database
from db.nodes import NodeStore

from .conftest import Kakehashi

NODE = "elsewhere"
ROUND_S = 0.02


def talk_and_end(call: Callback) -> None:
    """Agent and customer answer, talk, and the customer hangs up."""
    agent, customer = call.plan_legs("PJSIP/{number}@trunk")
    now = datetime.now(UTC)
    for leg in (agent, customer):
        leg.dial(now)
        leg.answer(now)
    call.ring_agent(now)
    call.agent_answered(now)
    call.ring_customer(now)
    call.talk(now)
    hang_up(call, LegEnd.of_cause(16, "", None, answered=True, by=Party.CUSTOMER), Reason.COMPLETED)


def agent_is_busy(call: Callback) -> None:
    """The agent's phone is busy."""
    agent, _ = call.plan_legs("PJSIP/{number}@trunk")
    agent.dial(datetime.now(UTC))
    call.ring_agent(datetime.now(UTC))
    hang_up(call, LegEnd.of_cause(17, "", 486, answered=False, by=Party.AGENT), Reason.BUSY)


def nothing(call: Callback) -> None:
    """The phone rings on."""


def hang_up(call: Callback, end: LegEnd, reason: Reason) -> None:
    """Every dialled leg and the call end."""
    for leg in call.legs:
        if leg.dialled:
            leg.finish(datetime.now(UTC), end)
    call.finish(datetime.now(UTC), reason, end.by)


@dataclass
class Node:
    """What the node does with the orders it claims."""

    carry_out: Callable[[Callback], None] = talk_and_end


@pytest.fixture
def node(sqlite_url: str) -> Iterator[Node]:
    """A telephony node that lives in another thread, on the same database."""
    node, stopping, up = Node(), threading.Event(), threading.Event()

    async def live() -> None:
        async with open_database(sqlite_url) as database:
            records, nodes = CallbackStore(database), NodeStore(database)
            async with records.running():
                while not stopping.is_set():
                    await nodes.beat(NODE, ready=True, now=datetime.now(UTC))
                    up.set()
                    for call in await records.claim(NODE, 10, datetime.now(UTC)):
                        node.carry_out(call)
                        await close_or_save(records, call)
                    for call_id, by in await records.cut_requests(NODE):
                        call = await records.get(call_id)
                        hang_up(call, cut(by), Reason.CANCELLED)
                        await close_or_save(records, call)
                    await asyncio.sleep(ROUND_S)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert up.wait(10)
    yield node
    stopping.set()
    thread.join()


async def close_or_save(records: CallbackStore, call: Callback) -> None:
    """Write the call down as it is now."""
    if call.ended_at:
        await records.close(call, rows_of(call.id, call.legs, accountcode=call.login, node=NODE))
    else:
        await records.save(call)


@pytest.fixture
def office(kakehashi: Kakehashi) -> None:
    """An agent who may show a number."""
    kakehashi("number", "add", "0312345678")
    kakehashi("account", "add", "suzuki", "--role", "user", "--agent", "--number", "09011110001")
    kakehashi("callcenter", "add", "サポート", "--number", "0312345678", "--agent", "suzuki")


ORDER = ("call", "--account", "suzuki", "--to", "090-2222-0002", "--caller-id", "03-1234-5678")


def test_without_telephony_nothing_is_placed(kakehashi: Kakehashi, office: None) -> None:
    refused = kakehashi(*ORDER, "--json")
    assert (refused.code, refused.error["code"]) == (1, "telephony_unavailable")
    assert kakehashi("calls", "list", "--json").json["items"] == []


def test_call_is_followed_to_its_end(kakehashi: Kakehashi, office: None, node: Node) -> None:
    placed = kakehashi(*ORDER, "--wait")
    assert placed.code == 0
    assert placed.out.splitlines()[-1].endswith("終了: 完了")
    rows = kakehashi("cdr", "list", "--json").json["items"]
    assert {(row["leg"], row["src"], row["dst"], row["disposition"]) for row in rows} == {
        (1, "0312345678", "09011110001", "ANSWERED"),
        (2, "0312345678", "09022220002", "ANSWERED"),
    }
    assert "09022220002" in kakehashi("cdr", "list", "--dst", "090222").out
    assert kakehashi("cdr", "list", "--src", "06", "--json").json["items"] == []
    page = kakehashi("cdr", "list", "--call-id", rows[0]["call_id"], "--limit", "1", "--json").json
    rest = kakehashi("cdr", "list", "--limit", "1", "--cursor", page["next"], "--json").json
    assert {row["leg"] for row in page["items"] + rest["items"]} == {1, 2}
    assert rest["next"] is None


def test_call_that_was_not_joined_fails(kakehashi: Kakehashi, office: None, node: Node) -> None:
    node.carry_out = agent_is_busy
    placed = kakehashi(*ORDER, "--wait", "--json")
    assert placed.code == 1
    assert (placed.json["state"], placed.json["reason"], placed.json["reason_text"]) == ("ended", "busy", "話中")


def test_call_may_be_left_to_itself_and_hung_up(kakehashi: Kakehashi, office: None, node: Node) -> None:
    node.carry_out = nothing
    placed = kakehashi(*ORDER, "--json")
    assert (placed.code, placed.json["state"]) == (0, "accepted")
    (call,) = kakehashi("calls", "list", "--json").json["items"]
    assert call["id"] == placed.json["id"]
    second = kakehashi(*ORDER, "--json")
    assert (second.code, second.error["code"]) == (1, "agent_busy")
    ended = kakehashi("calls", "hangup", call["id"], "--json")
    assert (ended.code, ended.json["state"], ended.json["ended_by"]) == (0, "ended", "admin")
    assert kakehashi("calls", "list", "--json").json["items"] == []
    assert kakehashi("calls", "hangup", "nothing", "--json").error["code"] == "not_found"


@pytest.mark.parametrize(
    ("to", "caller_id", "code", "field"),
    [
        ("110", "0312345678", "emergency_number", "customer_number"),
        ("0312345678", "0312345678", "own_company_number", "customer_number"),
        ("09022220002", "0399999999", "caller_id_not_allowed", "caller_id"),
    ],
)
def test_order_is_checked(
    kakehashi: Kakehashi, office: None, node: Node, to: str, caller_id: str, code: str, field: str
) -> None:
    refused = kakehashi("call", "--account", "suzuki", "--to", to, "--caller-id", caller_id, "--json")
    assert (refused.code, refused.error["code"], refused.error["field"]) == (1, code, field)


def test_disabled_account_cannot_call(kakehashi: Kakehashi, office: None, node: Node) -> None:
    kakehashi("account", "set", "suzuki", "--disable")
    assert kakehashi(*ORDER, "--json").error["code"] == "not_permitted"


def test_period_is_checked(kakehashi: Kakehashi) -> None:
    wrong = kakehashi("cdr", "list", "--from", "2026-11-21", "--to", "2026-11-20 24:00", "--json")
    assert (wrong.code, wrong.error["code"]) == (1, "period")
    assert json.loads(kakehashi("cdr", "list", "--from", "2026-11-21 24:00", "--json").out)["items"] == []
