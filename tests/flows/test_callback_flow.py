"""The callback as the manual tells it: what each phone does, and how the call ends, is recorded and is cleaned up."""

from dataclasses import dataclass

import pytest

from ari_app.domain.callback import Acceptance
from ari_app.domain.ending import Party, Reason
from tests.fakes.scene import AGENT, CUSTOMER, PREFIXED, SCREEN, Scene, new_call, open_scene

TALKED = "rings, answers"
GUARDED = "rings, answers, hears press-1, presses 1"


@dataclass(frozen=True)
class Case:
    """`agent` and `customer` are what the phones do; `rows` are (leg, disposition, ended by, cause, words)."""

    name: str
    agent: str
    customer: str
    outcome: tuple[str, str, str]
    rows: list[tuple[int, str, str, int, str]]
    acceptance: Acceptance = Acceptance.NONE
    limits: tuple[tuple[str, float], ...] = ()


NORMAL = "Normal Clearing"
WITH_THE_OTHER = "Ended with the other leg"
QUICK = (("ring_agent_s", 0.03), ("ring_customer_s", 0.03), ("accept_s", 0.03))

CASES = [
    # Either hanging up ends both.
    Case(
        "customer hangs up",
        TALKED,
        "rings, answers, until talking, hangs up",
        ("agent_answered", "completed", "customer"),
        [(1, "ANSWERED", "customer", 16, WITH_THE_OTHER), (2, "ANSWERED", "customer", 16, NORMAL)],
    ),
    Case(
        "agent hangs up",
        "rings, answers, until talking, hangs up",
        TALKED,
        ("agent_answered", "completed", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "ANSWERED", "agent", 16, WITH_THE_OTHER)],
    ),
    Case(
        "agent hangs up before the conversation is written down",
        "rings, answers, until talking noted, hangs up",
        TALKED,
        ("agent_answered", "completed", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "ANSWERED", "agent", 16, WITH_THE_OTHER)],
    ),
    Case(
        "agent's hangup overtakes the events",
        f"rings, answers, until {CUSTOMER} rings, slips away",
        "rings",
        ("agent_answered", "cancelled", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "CANCEL", "agent", 16, WITH_THE_OTHER)],
    ),
    # 「エージェントへの電話番号着信に 30 秒以内で応答できない場合、自動で切断されます。」
    Case(
        "agent lets it ring",
        "rings",
        "",
        ("agent_not_answered", "no_answer", "system"),
        [(1, "NO ANSWER", "system", 19, "Ring limit reached")],
        limits=QUICK,
    ),
    Case(
        "agent's phone never even rings",
        "",
        "",
        ("agent_not_answered", "no_answer", "system"),
        [(1, "NO ANSWER", "system", 19, "Ring limit reached")],
        limits=QUICK,
    ),
    # 「発信元不応答:「自身の電話番号」が応答しなかった場合に表示されます。」, with its reason
    Case(
        "agent declines",
        "rings, declines 603",
        "",
        ("agent_not_answered", "declined", "agent"),
        [(1, "NO ANSWER", "agent", 21, "Call Rejected (SIP 603)")],
    ),
    Case(
        "agent busy",
        "declines 486",
        "",
        ("agent_not_answered", "busy", "agent"),
        [(1, "BUSY", "agent", 17, "User busy (SIP 486)")],
    ),
    Case(
        "agent out of reach",
        "progresses, declines 480",
        "",
        ("agent_not_answered", "unreachable", "agent"),
        [(1, "NO ANSWER", "agent", 19, "User alerting, no answer (SIP 480)")],
    ),
    Case(
        "agent's number does not exist",
        "progresses, declines 404",
        "",
        ("agent_not_answered", "wrong_number", "agent"),
        [(1, "FAILED", "agent", 1, "Unallocated (unassigned) number (SIP 404)")],
    ),
    Case(
        "the carrier has no line for the agent",
        "declines 503",
        "",
        ("agent_not_answered", "no_channel", "agent"),
        [(1, "CONGESTION", "agent", 34, "Circuit/channel congestion (SIP 503)")],
    ),
    Case(
        "agent answers and hangs up at once",
        "rings, answers, hangs up",
        "",
        ("agent_answered", "cancelled", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL)],
    ),
    # With an acceptance key the customer is dialled only once the agent has pressed 1.
    Case(
        "agent presses 1",
        GUARDED,
        "rings, answers, until talking, hangs up",
        ("agent_answered", "completed", "customer"),
        [(1, "ANSWERED", "customer", 16, WITH_THE_OTHER), (2, "ANSWERED", "customer", 16, NORMAL)],
        Acceptance.PRESS1,
    ),
    Case(
        "agent presses 1 before the prompt is heard",
        "rings, answers, presses 1",
        "rings, answers, until talking, hangs up",
        ("agent_answered", "completed", "customer"),
        [(1, "ANSWERED", "customer", 16, WITH_THE_OTHER), (2, "ANSWERED", "customer", 16, NORMAL)],
        Acceptance.PRESS1,
    ),
    Case(
        "agent presses 2, then 1",
        "rings, answers, hears press-1, presses 21",
        "rings, declines 603",
        ("agent_answered", "declined", "customer"),
        [(1, "ANSWERED", "customer", 16, WITH_THE_OTHER), (2, "NO ANSWER", "customer", 21, "Call Rejected (SIP 603)")],
        Acceptance.PRESS1,
    ),
    Case(
        "a voicemail answers for the agent",
        "rings, answers",
        "",
        ("agent_not_answered", "no_digit", "system"),
        [(1, "ANSWERED", "system", 16, "Acceptance key not pressed")],
        Acceptance.PRESS1,
        QUICK,
    ),
    Case(
        "agent presses the wrong key",
        "rings, answers, hears press-1, presses 2*#",
        "",
        ("agent_not_answered", "no_digit", "system"),
        [(1, "ANSWERED", "system", 16, "Acceptance key not pressed")],
        Acceptance.PRESS1,
        QUICK,
    ),
    Case(
        "agent hangs up instead of pressing 1",
        "rings, answers, hears press-1, hangs up",
        "",
        ("agent_not_answered", "no_digit", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL)],
        Acceptance.PRESS1,
    ),
    Case(
        "agent hangs up as the prompt is asked for",
        "rings, answers, hears press-1, slips away",
        "",
        ("agent_not_answered", "no_digit", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL)],
        Acceptance.PRESS1,
    ),
    Case(
        "agent presses 1 and hangs up at once",
        "rings, answers, hears press-1, presses 1, hangs up",
        "",
        ("agent_not_answered", "no_digit", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL)],
        Acceptance.PRESS1,
    ),
    # 「コールバック発信結果は、(…)1stコール先の応答、不応答の結果を表す履歴です。」: whatever the customer does.
    Case(
        "customer lets it ring",
        TALKED,
        "rings",
        ("agent_answered", "no_answer", "system"),
        [(1, "ANSWERED", "system", 16, WITH_THE_OTHER), (2, "NO ANSWER", "system", 19, "Ring limit reached")],
        limits=(("ring_customer_s", 0.03),),
    ),
    Case(
        "customer declines",
        TALKED,
        "rings, declines 603",
        ("agent_answered", "declined", "customer"),
        [(1, "ANSWERED", "customer", 16, WITH_THE_OTHER), (2, "NO ANSWER", "customer", 21, "Call Rejected (SIP 603)")],
    ),
    Case(
        "customer busy",
        TALKED,
        "declines 486",
        ("agent_answered", "busy", "customer"),
        [(1, "ANSWERED", "customer", 16, WITH_THE_OTHER), (2, "BUSY", "customer", 17, "User busy (SIP 486)")],
    ),
    Case(
        "customer's number does not exist",
        TALKED,
        "progresses, declines 404",
        ("agent_answered", "wrong_number", "customer"),
        [
            (1, "ANSWERED", "customer", 16, WITH_THE_OTHER),
            (2, "FAILED", "customer", 1, "Unallocated (unassigned) number (SIP 404)"),
        ],
    ),
    Case(
        "customer answers and hangs up at once",
        TALKED,
        "rings, answers, hangs up",
        ("agent_answered", "completed", "customer"),
        [(1, "ANSWERED", "customer", 16, WITH_THE_OTHER), (2, "ANSWERED", "customer", 16, NORMAL)],
    ),
    Case(
        "agent hangs up as the customer is dialled",
        f"rings, answers, until dial {CUSTOMER}, hangs up",
        "rings",
        ("agent_answered", "cancelled", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "CANCEL", "agent", 16, WITH_THE_OTHER)],
    ),
    Case(
        "agent hangs up as they are joined",
        f"rings, answers, until join {AGENT}, hangs up",
        "rings",
        ("agent_answered", "cancelled", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "CANCEL", "agent", 16, WITH_THE_OTHER)],
    ),
    Case(
        "agent hangs up while the customer rings",
        f"rings, answers, until {CUSTOMER} rings, hangs up",
        "rings",
        ("agent_answered", "cancelled", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "CANCEL", "agent", 16, WITH_THE_OTHER)],
    ),
    # Both at once
    Case(
        "agent leaves, then the customer, in one burst",
        "rings, answers, until talking, hangs up",
        f"rings, answers, until {AGENT} hangs up, hangs up",
        ("agent_answered", "completed", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "ANSWERED", "customer", 16, NORMAL)],
    ),
    Case(
        "customer leaves, then the agent, in one burst",
        f"rings, answers, until {CUSTOMER} hangs up, hangs up",
        "rings, answers, until talking, hangs up",
        ("agent_answered", "completed", "customer"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "ANSWERED", "customer", 16, NORMAL)],
    ),
    Case(
        "agent hangs up while the customer declines",
        f"rings, answers, until {CUSTOMER} declines 603, hangs up",
        "rings, declines 603",
        ("agent_answered", "declined", "customer"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "NO ANSWER", "customer", 21, "Call Rejected (SIP 603)")],
    ),
    Case(
        "agent hangs up while the customer answers",
        f"rings, answers, until {CUSTOMER} answers, hangs up",
        "rings, answers",
        ("agent_answered", "cancelled", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "ANSWERED", "agent", 16, WITH_THE_OTHER)],
    ),
    # A leg that leaves while the other one is being cleaned up
    Case(
        "agent hangs up while we hang the agent up",
        f"rings, answers, until hang up {AGENT}, hangs up",
        "rings, declines 486",
        ("agent_answered", "busy", "customer"),
        [(1, "ANSWERED", "customer", 16, WITH_THE_OTHER), (2, "BUSY", "customer", 17, "User busy (SIP 486)")],
    ),
    Case(
        "agent slips away while we hang the agent up",
        f"rings, answers, until hang up {AGENT}, slips away",
        "rings, declines 486",
        ("agent_answered", "busy", "customer"),
        [(1, "ANSWERED", "customer", 16, WITH_THE_OTHER), (2, "BUSY", "customer", 17, "User busy (SIP 486)")],
    ),
    Case(
        "agent hangs up while we hang up the customer at the ring limit",
        f"rings, answers, until hang up {CUSTOMER}, hangs up",
        "rings",
        ("agent_answered", "cancelled", "agent"),
        [(1, "ANSWERED", "agent", 16, NORMAL), (2, "NO ANSWER", "system", 19, "Ring limit reached")],
        limits=(("ring_customer_s", 0.03),),
    ),
    # An answer that crosses our ring limit was still an answer to the carrier, which bills it.
    Case(
        "agent answers as we give up",
        f"rings, until hang up {AGENT}, answers",
        "",
        ("agent_answered", "no_answer", "system"),
        [(1, "ANSWERED", "system", 19, "Ring limit reached")],
        limits=QUICK,
    ),
    Case(
        "customer answers as we give up",
        TALKED,
        f"rings, until hang up {CUSTOMER}, answers",
        ("agent_answered", "no_answer", "system"),
        [(1, "ANSWERED", "system", 16, WITH_THE_OTHER), (2, "ANSWERED", "system", 19, "Ring limit reached")],
        limits=(("ring_customer_s", 0.03),),
    ),
]


@pytest.mark.parametrize("order", ["responses first", "events first"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_how_it_ends(case: Case, order: str) -> None:
    """Result, reason and rows, whichever of a response and its events Asterisk sends first."""
    async with open_scene(new_call(case.acceptance)) as scene:
        scene.asterisk.events_first = lambda line: order == "events first"
        await scene.play(agent=case.agent, customer=case.customer, **dict(case.limits))
        assert scene.outcome() == case.outcome
        told = [
            (row.leg, row.disposition.value, row.ended_by.value, row.cause, row.cause_text)
            for row in scene.records.rows
        ]
        assert told == case.rows


async def test_what_is_asked_of_the_switch(scene: Scene) -> None:
    """The customer's leg is in the bridge before the agent is dialled; the agent joins as the customer is dialled.

    「エージェント応答後に発信先の相手も電話に応答すると通話が成立します。」
    """
    await scene.play(agent=TALKED, customer="rings, answers, until talking, hangs up")
    assert scene.asked == [
        "bridge",
        f"create {AGENT} shows {SCREEN}",
        f"create {CUSTOMER} shows {SCREEN}",
        f"join {CUSTOMER}",
        f"dial {AGENT}",
        f"dial {CUSTOMER}",
        f"join {AGENT}",
        f"hang up {AGENT}",
        "unbridge",
    ]
    assert scene.records.saved == ["ringing_agent", "ringing_customer", "talking", "ended"]


async def test_the_acceptance_key(guarded: Scene) -> None:
    """The prompt plays to the agent alone, ends with the key, and only then is the customer dialled."""
    await guarded.play(agent=GUARDED, customer="rings, answers, until talking, hangs up")
    asked = guarded.asked[guarded.asked.index(f"dial {AGENT}") :]
    prompt = f"{guarded.call.id}-1-press-1"
    assert asked[:4] == [f"dial {AGENT}", f"play press-1 to {AGENT}", f"stop {prompt}", f"dial {CUSTOMER}"]
    assert guarded.rows[1].accept_at is not None
    assert guarded.records.saved == ["ringing_agent", "agent_answered", "ringing_customer", "talking", "ended"]


async def test_a_prompt_that_ended_by_itself_needs_no_stopping(guarded: Scene) -> None:
    guarded.asterisk.refuse(f"stop {guarded.call.id}-1-press-1", 404, "Playback not found")
    await guarded.play(agent=GUARDED, customer="declines 486")
    assert guarded.outcome() == ("agent_answered", "busy", "customer")


@pytest.mark.parametrize("customer", ["", "rings"])
async def test_early_media(scene: Scene, customer: str) -> None:
    """The agent hears the network's own ringback: joined once the customer is dialled, before any answer."""
    joined: list[list[str]] = []
    scene.upon(f"hang up {CUSTOMER}", lambda: joined.extend(map(list, scene.asterisk.bridges.values())))
    await scene.play(agent=TALKED, customer=f"{customer}, progresses", ring_customer_s=0.03)
    assert joined == [[f"{scene.call.id}-2", f"{scene.call.id}-1"]]
    assert scene.asked.index(f"dial {CUSTOMER}") < scene.asked.index(f"join {AGENT}")
    assert scene.rows[2].ring_ms is not None


async def test_ring_limits_outlive_us(scene: Scene) -> None:
    """Asterisk gives up by itself a little after our own limit, should we be gone."""
    await scene.play(agent=TALKED, customer="declines 486", ring_agent_s=2.5, ring_customer_s=4)
    limits = {channel.number: channel.dial_timeout_s for channel in scene.asterisk.ever.values()}
    assert limits == {AGENT: 8, CUSTOMER: 9}


# 「プレフィックス番号2番に登録された「03BBBBBBBB」が(…)選択している「03AAAAAAAA」よりも優先されて表示されます。」
# 「自身の電話番号(…)に対しては、コールバック発信画面内の「通知番号」で選択した電話番号が通知されます。」
@pytest.mark.parametrize("withheld", [False, True])
async def test_the_numbers_shown(withheld: bool) -> None:
    """Each leg shows its own number, and what the bridge would copy across is that same number: nobody's own."""
    async with open_scene(new_call(customer_caller_id=PREFIXED, withheld=withheld)) as scene:
        await scene.play(agent=TALKED, customer="rings, answers, until talking, hangs up")
        agent, customer = scene.asterisk.ever.values()
        hidden = {"CONNECTEDLINE(pres,i)": "prohib"} if withheld else {}
        assert customer.variables == {
            "CONNECTEDLINE(num,i)": PREFIXED,
            "CALLERID(num)": SCREEN,
            "CHANNEL(language)": "ja",
            **hidden,
        }
        hidden = {"CALLERID(pres)": "prohib"} if withheld else {}
        assert agent.variables == {
            "CONNECTEDLINE(num,i)": SCREEN,
            "CALLERID(num)": PREFIXED,
            "CHANNEL(language)": "ja",
            **hidden,
        }
        assert (scene.rows[1].src, scene.rows[1].dst) == (SCREEN, AGENT)
        assert (scene.rows[2].src, scene.rows[2].dst) == (PREFIXED, CUSTOMER)


async def test_the_rows_of_a_conversation(scene: Scene) -> None:
    """Who hung up, cause in words, ring, answer, accept, bridge and talk times; each leg names the other."""
    await scene.play(agent=TALKED, customer="rings, answers, until talking, hangs up")
    agent, customer = scene.rows[1], scene.rows[2]
    assert (agent.channel, customer.channel) == ("PJSIP/trunk-00000000", "PJSIP/trunk-00000001")
    assert (agent.dstchannel, customer.dstchannel) == (customer.channel, agent.channel)
    assert agent.bridged_at == customer.bridged_at == scene.call.talking_at
    assert agent.accept_at is not None
    assert customer.accept_at is None
    assert (agent.accountcode, agent.node, agent.dcontext) == ("tanaka", "main", "kakehashi")
    assert scene.call.ended_at == max(agent.end, customer.end)


async def test_two_calls_do_not_disturb_each_other(scene: Scene) -> None:
    """One call is one coroutine; the other one's end is its own."""
    other = new_call()
    other.id, other.agent_number, other.customer_number = "0" * 32, "09033330003", "08044440004"
    scene.records.keep(other)
    first, scene.call = scene.call, other
    task = scene.start()
    scene.asterisk.phone("09033330003").does("rings, answers")
    scene.asterisk.phone("08044440004").does("rings, answers")
    await scene.asterisk.until("talking")
    scene.call = first
    scene.watcher.events.clear()
    await scene.play(agent="declines 486")
    assert first.reason == "busy"
    assert not task.done()
    scene.records.rows.clear()
    scene.asterisk.phone("08044440004").does("hangs up")
    await task
    assert other.reason == "completed"
    assert [row.call_id for row in scene.records.rows] == [other.id] * 2
    scene.watcher.events.clear()
    scene.records.rows.clear()
    first.ended_at = None


def test_every_way_to_end_has_its_case() -> None:
    """No reason of the contract is without a test here, but for what only the application itself brings about."""
    reasons = {case.outcome[1] for case in CASES}
    elsewhere = {"interrupted", "failed"}
    assert reasons | elsewhere == set(Reason)
    assert {party for case in CASES for party in case.outcome[2:]} | {"admin"} == set(Party)
