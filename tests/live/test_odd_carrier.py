"""A carrier that is slow, rude or wrong: each call still ends rightly, and nothing of it is left."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from ari_app.asterisk import instance
from ari_app.domain.callback import Acceptance, Callback, Result, State
from ari_app.domain.ending import Disposition, Party, Reason
from ari_app.domain.leg import Role

from .exchange import pbx_config, settings_for
from .expected_row import Row, check_row
from .office import Ended, Office, customer_number, open_office
from .sip_peer import Dialog, Phone, SipPeer, running_peer
from .waiting import eventually, in_own_task

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

RING_S = 8  # longer than the 6.4 s after which Asterisk gives a silent peer up
ACCEPT_S = 3
AGENT_HZ, CUSTOMER_HZ, NETWORK_HZ = 1000, 600, 400

NONE, PRESS1 = Acceptance.NONE, Acceptance.PRESS1
AGENT, CUSTOMER, SYSTEM, ADMIN = Party.AGENT, Party.CUSTOMER, Party.SYSTEM, Party.ADMIN
ANSWERED, NO_ANSWER, BUSY = Disposition.ANSWERED, Disposition.NO_ANSWER, Disposition.BUSY
FAILED, CONGESTION, CANCEL = Disposition.FAILED, Disposition.CONGESTION, Disposition.CANCEL


# Phones


async def answers(dialog: Dialog) -> None:
    """As an agent's phone should."""
    dialog.respond(100)
    dialog.respond(180)
    dialog.answer()


async def speaks(dialog: Dialog) -> None:
    """Answers and sends the agent's tone."""
    dialog.rtp.tone_hz = AGENT_HZ
    await answers(dialog)


async def talks_a_second(dialog: Dialog) -> None:
    """As a customer's phone should; it hangs up first."""
    dialog.rtp.tone_hz = CUSTOMER_HZ
    dialog.respond(180)
    dialog.answer()
    await dialog.expect("ACK")
    await asyncio.sleep(1.1)
    dialog.request("BYE")


def presses(keys: str) -> Phone:
    """Answers and presses keys."""

    async def phone(dialog: Dialog) -> None:
        await answers(dialog)
        await dialog.expect("ACK")
        await asyncio.sleep(0.3)
        for key in keys:
            await dialog.rtp.press(key)
            await asyncio.sleep(0.1)

    return phone


def refuses(status: int, *, after: tuple[int, ...] = (), headers: dict[str, str] | None = None) -> Phone:
    """Gives provisional responses, then a final one."""

    async def phone(dialog: Dialog) -> None:
        for provisional in after:
            dialog.respond(provisional, sdp=dialog.sdp() if provisional == 183 else None)
            await asyncio.sleep(0.1)
        dialog.respond(status, headers=headers)

    return phone


async def silent(dialog: Dialog) -> None:
    """No response at all."""


async def only_trying(dialog: Dialog) -> None:
    """100, then nothing until it is cancelled."""
    dialog.respond(100)


async def rings(dialog: Dialog) -> None:
    """180, then nothing until it is cancelled."""
    dialog.respond(180)


async def answers_while_cancelled(dialog: Dialog) -> None:
    """Its 200 crosses our CANCEL."""
    dialog.by_hand.add("CANCEL")
    dialog.respond(180)
    cancel = await dialog.expect("CANCEL")
    dialog.answer()
    dialog.respond(481, to=cancel)
    await dialog.expect("ACK")
    await dialog.expect("BYE")


async def rings_late(dialog: Dialog) -> None:
    """Silent until we have long hung up; its 180 then must be answered with CANCEL."""
    await asyncio.sleep(2.5)
    dialog.respond(180)
    await dialog.expect("CANCEL", limit_s=3)


async def rings_on_after_cancel(dialog: Dialog) -> None:
    """A 180 and a 183 after our CANCEL, and 487 only then."""
    dialog.by_hand.add("CANCEL")
    dialog.respond(180)
    cancel = await dialog.expect("CANCEL")
    dialog.respond(180)
    dialog.respond(200, to=cancel)
    dialog.respond(183, sdp=dialog.sdp())
    await asyncio.sleep(0.3)
    dialog.respond(487)
    await dialog.expect("ACK")


async def answers_and_leaves(dialog: Dialog) -> None:
    """200, and BYE as soon as it may be sent: with our ACK (RFC 3261, 15)."""
    dialog.answer()
    await dialog.expect("ACK")
    dialog.request("BYE")


async def answers_without_audio(dialog: Dialog) -> None:
    """200 that refuses the only media line."""
    dialog.respond(200, sdp=dialog.sdp(port=0))


async def answers_without_description(dialog: Dialog) -> None:
    """200 without SDP, which an offer in the INVITE forbids (RFC 3264)."""
    dialog.respond(200)


def holds(direction: str) -> Phone:
    """Puts us on hold and takes us back, then talks on."""

    async def phone(dialog: Dialog) -> None:
        dialog.rtp.tone_hz = CUSTOMER_HZ
        dialog.answer()
        await dialog.expect("ACK")
        for now in (direction, "sendrecv"):
            await dialog.reinvite(dialog.sdp(now))
            await asyncio.sleep(0.4)
        await asyncio.sleep(0.6)
        dialog.request("BYE")

    return phone


async def refreshes(dialog: Dialog) -> None:
    """Two session refreshes with an unchanged description (RFC 4028)."""
    dialog.rtp.tone_hz = CUSTOMER_HZ
    dialog.answer()
    await dialog.expect("ACK")
    for _ in range(2):
        await dialog.reinvite(dialog.sdp())
        await asyncio.sleep(0.5)
    await asyncio.sleep(0.3)
    dialog.request("BYE")


async def repeats_its_answer(dialog: Dialog) -> None:
    """The 200 three times more, one of them after the ACK."""
    dialog.rtp.tone_hz = CUSTOMER_HZ
    dialog.answer()
    dialog.repeat()
    dialog.repeat()
    await dialog.expect("ACK")
    await asyncio.sleep(0.5)
    dialog.repeat()
    await asyncio.sleep(0.7)
    dialog.request("BYE")


async def answers_bye_with_bye(dialog: Dialog) -> None:
    """Its own BYE crosses ours."""
    dialog.by_hand.add("BYE")
    dialog.respond(180)
    dialog.answer()
    bye = await dialog.expect("BYE")
    dialog.request("BYE")
    await asyncio.sleep(0.05)
    dialog.respond(200, to=bye)


async def leaves_after_a_second(dialog: Dialog) -> None:
    """An agent that hangs up first."""
    await answers(dialog)
    await asyncio.sleep(1.3)
    dialog.request("BYE")


async def early_media(dialog: Dialog) -> None:
    """183 with a tone for a second, then the answer and another tone for a second."""
    dialog.rtp.tone_hz = NETWORK_HZ
    dialog.respond(183, sdp=dialog.sdp())
    await asyncio.sleep(1)
    dialog.rtp.tone_hz = CUSTOMER_HZ
    dialog.answer()
    await asyncio.sleep(1.1)
    dialog.request("BYE")


async def rings_reliably(dialog: Dialog) -> None:
    """A provisional response that asks for PRACK although we never offered it (RFC 3262), then talks."""
    dialog.respond(180, headers={"Require": "100rel", "RSeq": "1"})
    await asyncio.sleep(0.3)
    await talks_a_second(dialog)


# Cases


@dataclass(frozen=True)
class Case:
    """One callback, and what must become of it."""

    agent: Phone
    customer: Phone
    reason: Reason
    ended_by: Party
    agent_row: Row | None
    customer_row: Row | None = None
    acceptance: Acceptance = NONE
    cut_in: State | None = None


def to_customer(phone: Phone, reason: Reason, row: Row, billsec: tuple[int, int] = (0, 1)) -> Case:
    """The customer's phone ends the call before it is answered."""
    agent_row = Row(ANSWERED, row.ended_by, 16, billsec, (billsec[0], billsec[1] + 1))
    return Case(answers, phone, reason, row.ended_by, agent_row, row)


def talked(customer: Phone, seconds: tuple[int, int] = (1, 2)) -> Case:
    """A conversation that the customer's phone ends."""
    row = Row(ANSWERED, CUSTOMER, 16, seconds, (seconds[0], seconds[1] + 1))
    return Case(speaks, customer, Reason.COMPLETED, CUSTOMER, row, row)


RANG_OUT = Row(NO_ANSWER, SYSTEM, 19, duration=(RING_S, RING_S))

CASES = {
    "talk": talked(talks_a_second),
    # The end of ringing.
    "200 crosses CANCEL at the ring limit": to_customer(
        answers_while_cancelled, Reason.NO_ANSWER, RANG_OUT, (RING_S, RING_S)
    ),
    "agent's 200 crosses CANCEL at the ring limit": Case(
        answers_while_cancelled, silent, Reason.NO_ANSWER, SYSTEM, RANG_OUT
    ),
    "200 crosses an administrator's cut": Case(
        answers, answers_while_cancelled, Reason.CANCELLED, ADMIN,
        Row(ANSWERED, ADMIN, 16, (0, 1), (0, 1)), Row(CANCEL, ADMIN, 16), cut_in=State.RINGING_CUSTOMER,
    ),
    "agent's 200 crosses an owner's cancel": Case(
        answers_while_cancelled, silent, Reason.CANCELLED, AGENT, Row(CANCEL, AGENT, 16), cut_in=State.RINGING_AGENT
    ),
    "silence": to_customer(
        silent, Reason.NO_ANSWER, Row(NO_ANSWER, CUSTOMER, 18, duration=(6, 6)), (6, 6)
    ),
    "agent's silence": Case(silent, silent, Reason.NO_ANSWER, AGENT, Row(NO_ANSWER, AGENT, 18, duration=(6, 6))),
    "100, then silence": to_customer(only_trying, Reason.NO_ANSWER, RANG_OUT, (RING_S, RING_S)),
    "180 after a cut in silence": Case(
        answers, rings_late, Reason.CANCELLED, ADMIN,
        Row(ANSWERED, ADMIN, 16, (0, 1), (0, 1)), Row(CANCEL, ADMIN, 16), cut_in=State.RINGING_CUSTOMER,
    ),
    "180 and 183 after CANCEL": Case(
        answers, rings_on_after_cancel, Reason.CANCELLED, ADMIN,
        Row(ANSWERED, ADMIN, 16, (0, 1), (0, 1)), Row(CANCEL, ADMIN, 16), cut_in=State.RINGING_CUSTOMER,
    ),
    # Refusals.
    "183, then 404": to_customer(refuses(404, after=(183,)), Reason.WRONG_NUMBER, Row(FAILED, CUSTOMER, 1)),
    "302": to_customer(
        refuses(302, headers={"Contact": "<sip:0990123456@127.0.0.1>"}), Reason.FAILED, Row(FAILED, CUSTOMER, 23)
    ),
    "401": to_customer(
        refuses(401, headers={"WWW-Authenticate": 'Digest realm="x", nonce="y"'}),
        Reason.FAILED, Row(FAILED, CUSTOMER, 21),
    ),
    "403": to_customer(refuses(403), Reason.FAILED, Row(FAILED, CUSTOMER, 21)),
    "480": to_customer(refuses(480), Reason.UNREACHABLE, Row(NO_ANSWER, CUSTOMER, 19)),
    "484": to_customer(refuses(484), Reason.WRONG_NUMBER, Row(FAILED, CUSTOMER, 28)),
    "486": to_customer(refuses(486, after=(100, 180)), Reason.BUSY, Row(BUSY, CUSTOMER, 17)),
    "487 unasked": to_customer(refuses(487), Reason.NO_ANSWER, Row(NO_ANSWER, CUSTOMER, 127)),
    "488": to_customer(refuses(488), Reason.FAILED, Row(FAILED, CUSTOMER, 58)),
    "500": to_customer(refuses(500), Reason.FAILED, Row(FAILED, CUSTOMER, 38)),
    "503": to_customer(refuses(503), Reason.NO_CHANNEL, Row(CONGESTION, CUSTOMER, 34)),
    "600": to_customer(refuses(600), Reason.BUSY, Row(BUSY, CUSTOMER, 17)),
    "603": to_customer(refuses(603, after=(180,)), Reason.DECLINED, Row(NO_ANSWER, CUSTOMER, 21)),
    "604": to_customer(refuses(604), Reason.WRONG_NUMBER, Row(FAILED, CUSTOMER, 1)),
    "606": to_customer(refuses(606), Reason.FAILED, Row(FAILED, CUSTOMER, 58)),
    "agent's 480": Case(refuses(480), silent, Reason.UNREACHABLE, AGENT, Row(NO_ANSWER, AGENT, 19)),
    "agent's 404": Case(refuses(404, after=(183,)), silent, Reason.WRONG_NUMBER, AGENT, Row(FAILED, AGENT, 1)),
    "agent's 488": Case(refuses(488), silent, Reason.FAILED, AGENT, Row(FAILED, AGENT, 58)),
    # Answers that are none, or hardly.
    "200 without audio": to_customer(answers_without_audio, Reason.FAILED, Row(FAILED, CUSTOMER, 58)),
    # Asterisk has answered by the time it notices, and its CEL says so.
    "200 without a description": Case(
        answers, answers_without_description, Reason.COMPLETED, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (0, 1), (0, 1)), Row(ANSWERED, CUSTOMER, 127),
    ),
    "answer and BYE": Case(
        answers, answers_and_leaves, Reason.COMPLETED, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (0, 1), (0, 1)), Row(ANSWERED, CUSTOMER, 16),
    ),
    "agent's answer and BYE before the key": Case(
        answers_and_leaves, silent, Reason.NO_DIGIT, AGENT, Row(ANSWERED, AGENT, 16), acceptance=PRESS1
    ),
    # Talking.
    "hold, sendonly": talked(holds("sendonly")),
    "hold, inactive": talked(holds("inactive")),
    "session refresh": talked(refreshes),
    "200 repeated": talked(repeats_its_answer),
    "BYE crosses BYE": Case(
        leaves_after_a_second, answers_bye_with_bye, Reason.COMPLETED, AGENT,
        Row(ANSWERED, AGENT, 16, (1, 2), (1, 2)), Row(ANSWERED, AGENT, 16, (1, 2), (1, 2)),
    ),
    "early media": talked(early_media, (1, 2)),
    "reliable 180": talked(rings_reliably),
    # Keys.
    "key 1": Case(
        presses("1"), talks_a_second, Reason.COMPLETED, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (1, 3), (1, 3)), Row(ANSWERED, CUSTOMER, 16, (1, 2), (1, 3)), PRESS1,
    ),
    "keys 2, #, 1": Case(
        presses("2#1"), talks_a_second, Reason.COMPLETED, CUSTOMER,
        Row(ANSWERED, CUSTOMER, 16, (1, 4), (1, 4)), Row(ANSWERED, CUSTOMER, 16, (1, 2), (1, 3)), PRESS1,
    ),
    "wrong keys": Case(
        presses("23*"), silent, Reason.NO_DIGIT, SYSTEM, Row(ANSWERED, SYSTEM, 16, (3, 3), (3, 4)), acceptance=PRESS1
    ),
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """The PBX's directory, the company, and the peer."""

    pbx: Path
    office: Office
    peer: SipPeer


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(rootfs: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A PBX whose carrier is the peer."""
    async with running_peer() as peer:
        config = pbx_config(tmp_path_factory.mktemp("odd") / "pbx", peer.port)
        connection = instance.start(config)
        settings = settings_for(
            connection,
            tmp_path_factory.mktemp("odd-office"),
            ring_agent_s=float(RING_S),
            ring_customer_s=float(RING_S),
            accept_s=float(ACCEPT_S),
        )
        try:
            async with in_own_task(open_office(settings)) as office:
                yield World(config.dir, office, peer)
        finally:
            instance.stop(config.dir)


async def carry_out(world: World, case: Case) -> Ended:
    """One case, to its end."""
    who = await world.office.agent("00", case.acceptance)
    customer = customer_number("00")
    assert who.device_number is not None
    world.peer.phones |= {who.device_number: case.agent, customer: case.customer}
    call = await world.office.order(who, customer)
    if case.cut_in is not None:
        await world.office.reached(call, case.cut_in)
        role = Role.AGENT if case.cut_in is State.RINGING_AGENT else Role.CUSTOMER
        number = call.agent_number if role is Role.AGENT else call.customer_number
        await eventually(lambda: number in {dialog.invite.target for dialog in world.peer.dialogs.values()})
        await world.office.cancel(call, case.ended_by)
    return await world.office.ended(call)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def outcomes(world: World) -> dict[str, Ended | BaseException]:
    """Every case, carried out at the same time."""
    done = await asyncio.gather(*(carry_out(world, case) for case in CASES.values()), return_exceptions=True)
    return dict(zip(CASES, done, strict=True))


@pytest.mark.parametrize("name", CASES)
async def test_an_odd_call_ends_rightly(name: str, outcomes: dict[str, Ended | BaseException]) -> None:
    """Result, reason, who ended it, and one row a dialled leg."""
    case, ended = CASES[name], outcomes[name]
    if isinstance(ended, BaseException):
        raise ended
    call = ended.callback
    result = Result.AGENT_ANSWERED if case.customer_row else Result.AGENT_NOT_ANSWERED
    assert (call.state, call.result, call.reason, call.ended_by) == (State.ENDED, result, case.reason, case.ended_by)
    check_row(ended.agent, case.agent_row)
    check_row(ended.customer, case.customer_row)


async def test_nothing_is_left(world: World, outcomes: dict[str, Ended | BaseException]) -> None:
    """No channel, bridge or listener; no script failed; and no dialog that the peer would still believe in."""
    await eventually(world.office.at_rest)
    assert world.peer.failures == []
    unheard = {silent, only_trying}
    scripts = world.peer.phones
    await eventually(
        lambda: all(d.over for d in world.peer.dialogs.values() if scripts[d.invite.target] not in unheard)
    )
    assert await world.office.services.callbacks.reserved_channels() == 0


async def test_a_redirection_dials_nobody(world: World, outcomes: dict[str, Ended | BaseException]) -> None:
    """302 names a premium number: it is not called."""
    assert all(dialog.invite.target in world.peer.phones for dialog in world.peer.dialogs.values())


def _dialogs(world: World, ended: Ended | BaseException) -> tuple[Dialog, Dialog]:
    assert isinstance(ended, Ended)
    call: Callback = ended.callback
    return world.peer.of(call.agent_number), world.peer.of(call.customer_number)


async def test_early_media_is_heard_and_the_answer_cuts_through(
    world: World, outcomes: dict[str, Ended | BaseException]
) -> None:
    """The agent hears the network within 0.1 s, and the customer's first word within 0.1 s of the answer."""
    agent, customer = _dialogs(world, outcomes["early media"])
    network, word = agent.rtp.heard(NETWORK_HZ), agent.rtp.heard(CUSTOMER_HZ)
    assert len(network) > 40
    assert max(network) < customer.answered_at + 0.1
    assert customer.answered_at - 0.02 < min(word) < customer.answered_at + 0.1
    assert any(0 < at - customer.answered_at < 0.1 for at in customer.rtp.heard(AGENT_HZ))


@pytest.mark.parametrize("name", ["hold, sendonly", "hold, inactive", "session refresh", "200 repeated"])
async def test_the_conversation_goes_on_after(
    name: str, world: World, outcomes: dict[str, Ended | BaseException]
) -> None:
    """Both hear each other to the end, and the agent's phone was told nothing."""
    agent, customer = _dialogs(world, outcomes[name])
    assert sum(agent.rtp.last(30, CUSTOMER_HZ)) > 25
    assert sum(customer.rtp.last(30, AGENT_HZ)) > 25
    assert [request.method for request in agent.requests] == ["INVITE", "ACK", "BYE"]


async def test_an_agent_who_leaves_at_once_had_answered(world: World) -> None:
    """Without a key to press, answering is accepting: 発信元応答, whether or not the customer was dialled already."""
    case = Case(answers_and_leaves, rings, Reason.CANCELLED, AGENT, None)
    for ended in await asyncio.gather(*(carry_out(world, case) for _ in range(8))):
        call = ended.callback
        assert (call.result, call.reason, call.ended_by) == (Result.AGENT_ANSWERED, Reason.CANCELLED, AGENT)
        check_row(ended.agent, Row(ANSWERED, AGENT, 16))
        if ended.customer is not None:
            check_row(ended.customer, Row(CANCEL, AGENT, 16))
    await eventually(world.office.at_rest)


async def test_both_hang_up_at_the_same_moment(world: World) -> None:
    """Two BYEs at once: one of them ended the call, and both rows are closed."""

    async def both_leave(dialog: Dialog) -> None:
        dialog.answer()
        dialog.rtp.tone_hz = AGENT_HZ
        await eventually(lambda: dialog.rtp.heard(AGENT_HZ))
        await met.wait()
        dialog.request("BYE")

    met = asyncio.Barrier(2)
    ended = await carry_out(world, Case(both_leave, both_leave, Reason.COMPLETED, AGENT, None))
    assert ended.callback.reason is Reason.COMPLETED
    assert ended.callback.ended_by in (AGENT, CUSTOMER)
    for row in (ended.agent, ended.customer):
        assert row is not None
        assert (row.disposition, row.cause) == (ANSWERED, 16)
        assert row.ended_by in (AGENT, CUSTOMER)
    await eventually(world.office.at_rest)
