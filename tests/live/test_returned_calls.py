"""Customers who ring a shown number back: whose phone rings, who hears whom, what is written."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from ari_app.ari.client import open_client
from ari_app.asterisk import instance
from ari_app.asterisk.carrier import AGENT_TONE_HZ, CUSTOMER_TONE_HZ
from ari_app.asterisk.tones import heard_s
from ari_app.domain.account import Account
from ari_app.domain.callback import Acceptance, State
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import Disposition, Party, Reason, cut
from ari_app.domain.returned_call import ReturnedCall
from ari_app.main import open_services
from db.returned_calls import ReturnedCallStore

from .capture import captured
from .exchange import Exchange, running_exchange, settings_for
from .expected_row import Row, check_row
from .office import PREFIX, PREFIX_SHOWN, SHOWN, Office, customer_number, open_office
from .recordings import growing, loud_s, recordings_of
from .service import Service
from .waiting import eventually

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

ANSWERED, NO_ANSWER, CANCEL = Disposition.ANSWERED, Disposition.NO_ANSWER, Disposition.CANCEL
AGENT, CUSTOMER, SYSTEM, ADMIN = Party.AGENT, Party.CUSTOMER, Party.SYSTEM, Party.ADMIN
NOTICE_S = (5, 12)  # the notice's length, and the time around it


async def test_the_agent_who_called_last_is_rung_and_both_hear_each_other(office: Office) -> None:
    first, last, customer = await office.agent("33"), await office.agent("33"), customer_number("32")
    await _called(office, first, customer)
    await _called(office, last, customer)
    rung = _phone(last)
    before = len(office.carrier.calls(rung))
    await _ring_back(office, customer)
    talking = await _open(office, customer, lambda call: call.talking_at)
    for number, tone in ((customer, AGENT_TONE_HZ), (rung, CUSTOMER_TONE_HZ)):
        await eventually(lambda number=number, tone=tone: _heard_last(office, number, tone) > 1.2)
    await asyncio.to_thread(office.carrier.hang_up, customer)
    call, agent_row, customer_row = await _ended(office, talking)

    assert (call.login, call.agent_number, call.called_number) == (last.login, rung, SHOWN)
    assert (call.reason, call.ended_by) == (Reason.COMPLETED, CUSTOMER)
    check_row(agent_row, Row(ANSWERED, CUSTOMER, 16, (1, 8), (1, 8)))
    check_row(customer_row, Row(ANSWERED, CUSTOMER, 16, (1, 8), (1, 8)))
    assert agent_row and customer_row
    assert (agent_row.src, agent_row.dst, agent_row.caller_id) == (SHOWN, rung, SHOWN)
    assert (customer_row.src, customer_row.dst, customer_row.caller_id) == (customer, SHOWN, SHOWN)
    assert agent_row.accountcode == customer_row.accountcode == last.login
    assert agent_row.bridged_at == customer_row.bridged_at == call.talking_at

    assert len(office.carrier.calls(rung)) == before + 1
    for seen in office.carrier.calls(rung):
        assert SHOWN in seen.from_header
        assert customer not in f"{seen.from_header}{seen.asserted_identity}"
    await eventually(office.at_rest)
    assert await office.services.callbacks.reserved_channels() == 0


async def test_the_agent_hangs_up(office: Office) -> None:
    who, customer = await office.agent("33"), customer_number("32")
    await _called(office, who, customer)
    await _ring_back(office, customer)
    talking = await _open(office, customer, lambda call: call.talking_at)
    await asyncio.to_thread(office.carrier.hang_up, _phone(who))
    call, agent_row, customer_row = await _ended(office, talking)
    assert (call.reason, call.ended_by) == (Reason.COMPLETED, AGENT)
    check_row(agent_row, Row(ANSWERED, AGENT, 16, (0, 3), (0, 3)))
    check_row(customer_row, Row(ANSWERED, AGENT, 16, (0, 3), (0, 3)))


async def test_an_administrator_cuts_it(office: Office) -> None:
    who, customer = await office.agent("33"), customer_number("32")
    await _called(office, who, customer)
    await _ring_back(office, customer)
    talking = await _open(office, customer, lambda call: call.talking_at)
    switch = office.services.switch
    assert switch is not None
    assert await switch.cut(talking.legs[1].channel_id, cut(ADMIN))
    call, agent_row, customer_row = await _ended(office, talking)
    assert (call.reason, call.ended_by) == (Reason.COMPLETED, ADMIN)
    check_row(customer_row, Row(ANSWERED, ADMIN, 16, (0, 3), (0, 3)))
    check_row(agent_row, Row(ANSWERED, ADMIN, 16, (0, 3), (0, 3)))


async def test_an_agent_who_is_on_a_call_is_not_rung(office: Office) -> None:
    """The one who called before is; the call center would be next."""
    earlier, busy, customer = await office.agent("33"), await office.agent("33"), customer_number("32")
    await _called(office, earlier, customer)
    await _called(office, busy, customer)
    other = await office.order(busy, customer_number("32"))
    await office.reached(other, State.TALKING)
    await _ring_back(office, customer)
    talking = await _open(office, customer, lambda call: call.talking_at)
    assert talking.login == earlier.login
    await asyncio.to_thread(office.carrier.hang_up, customer)
    await _ended(office, talking)
    await office.cancel(other, ADMIN)
    await office.ended(other)


async def test_a_stranger_reaches_the_call_center(office: Office) -> None:
    """Nobody called this customer: an agent of the number's call center is rung; the first by login who is free."""
    await office.agent("33")
    customer = customer_number("32")
    await _ring_back(office, customer)
    talking = await _open(office, customer, lambda call: call.talking_at)
    assert any(call.ended_at is None for call in office.carrier.calls(talking.agent_number))
    await asyncio.to_thread(office.carrier.hang_up, customer)
    call, _, _ = await _ended(office, talking)
    assert (call.reason, call.ended_by) == (Reason.COMPLETED, CUSTOMER)


async def test_nobody_to_ring_is_told_by_the_notice(office: Office) -> None:
    """The prefix's number has no call center, and nobody called this customer."""
    customer = customer_number("32")
    await _ring_back(office, customer, PREFIX_SHOWN)
    call, agent_row, customer_row = await _ended(office, await _open(office, customer, lambda call: call))
    assert (call.reason, call.ended_by, agent_row) == (Reason.NO_ANSWER, SYSTEM, None)
    check_row(customer_row, Row(ANSWERED, SYSTEM, 16, NOTICE_S, NOTICE_S))
    await _notice_heard(office, customer)
    await eventually(office.at_rest)


async def test_an_agent_who_does_not_answer(office: Office) -> None:
    who, customer = await office.agent("33"), customer_number("32")
    await _called(office, who, customer, PREFIX)
    silent = f"{_phone(who)[:-2]}12"
    await office.services.accounts.set(who.login, {"device_number": silent})
    await _ring_back(office, customer, PREFIX_SHOWN)
    call, agent_row, customer_row = await _ended(office, await _open(office, customer, lambda call: call))
    assert (call.login, call.reason, call.ended_by) == (who.login, Reason.NO_ANSWER, SYSTEM)
    check_row(agent_row, Row(NO_ANSWER, SYSTEM, 19, duration=(9, 9)))
    check_row(customer_row, Row(ANSWERED, SYSTEM, 16, NOTICE_S, (14, 21)))
    await _notice_heard(office, customer)


async def test_an_agents_voicemail_never_meets_the_customer(office: Office) -> None:
    """By policy the agent presses 1; until then it rings for the customer."""
    who, customer = await office.agent("33"), customer_number("32")
    await _called(office, who, customer, PREFIX)
    voicemail = f"{_phone(who)[:-2]}15"
    await office.services.accounts.set(who.login, {"device_number": voicemail, "acceptance": Acceptance.PRESS1})
    await _ring_back(office, customer, PREFIX_SHOWN)
    call, agent_row, customer_row = await _ended(office, await _open(office, customer, lambda call: call))
    assert (call.reason, call.ended_by, call.talking_at) == (Reason.NO_DIGIT, SYSTEM, None)
    check_row(agent_row, Row(ANSWERED, SYSTEM, 16, (5, 5), (7, 7)))
    check_row(customer_row, Row(ANSWERED, SYSTEM, 16, NOTICE_S, (12, 20)))


async def test_the_customer_gives_up(office: Office) -> None:
    who, customer = await office.agent("33"), customer_number("32")
    await _called(office, who, customer, PREFIX)
    silent = f"{_phone(who)[:-2]}12"
    await office.services.accounts.set(who.login, {"device_number": silent})
    await _ring_back(office, customer, PREFIX_SHOWN)
    begun = await _open(office, customer, lambda call: call)
    await office.called(silent)
    await _abandon(office, customer)
    call, agent_row, customer_row = await _ended(office, begun)
    assert (call.reason, call.ended_by) == (Reason.CANCELLED, CUSTOMER)
    check_row(agent_row, Row(CANCEL, CUSTOMER, 16, duration=(0, 4)))
    check_row(customer_row, Row(CANCEL, CUSTOMER, 16, duration=(0, 4)))
    await eventually(office.at_rest)


async def test_neither_number_reaches_the_other_on_the_wire(office: Office, exchange: Exchange) -> None:
    """In any message of its call, later ones included."""
    who, customer = await office.agent("33"), customer_number("32")
    await _called(office, who, customer)
    with captured(exchange.pbx) as capture:
        await _ring_back(office, customer)
        talking = await _open(office, customer, lambda call: call.talking_at)
        # What a switch tells about connected lines, it tells within the first second.
        await asyncio.sleep(1)
        await asyncio.to_thread(office.carrier.hang_up, customer)
        await _ended(office, talking)
    invite = capture.invite(_phone(who))
    assert SHOWN in invite["From"] and SHOWN in invite["P-Asserted-Identity"]
    to_agent = capture.dialog(_phone(who))
    assert not any(customer in str(message) for message in to_agent)
    ids = {message["Call-ID"] for message in to_agent}
    to_customer = [message for message in capture.sent if message["Call-ID"] not in ids]
    assert any(customer in str(message) for message in to_customer)
    assert not any(_phone(who) in str(message) for message in to_customer)


async def test_a_withheld_caller(office: Office) -> None:
    """No number to look up: the call center where the number has one, here the notice."""
    await asyncio.to_thread(
        office.carrier._action,
        Action="Originate", Channel=f"PJSIP/{PREFIX_SHOWN}@pbx", Context="caller", Exten=customer_number("32"),
        Priority="1", CallerID="Anonymous <anonymous>", Timeout="60000", Async="true",
    )  # fmt: skip
    call, _, customer_row = await _ended(office, await _open(office, "", lambda call: call))
    assert (call.reason, call.ended_by, call.called_number) == (Reason.NO_ANSWER, SYSTEM, PREFIX_SHOWN)
    check_row(customer_row, Row(ANSWERED, SYSTEM, 16, NOTICE_S, NOTICE_S))
    assert customer_row and (customer_row.src, customer_row.dst) == ("", PREFIX_SHOWN)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_exchange(rootfs: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Exchange]:
    """An exchange whose application comes and goes."""
    with running_exchange(tmp_path_factory.mktemp("returned")) as running:
        yield running


async def test_without_the_application_the_notice_is_heard(own_exchange: Exchange, tmp_path: Path) -> None:
    """Never connected; then connected and gone."""
    carrier = own_exchange.carrier
    never = customer_number("32")
    await asyncio.to_thread(carrier.call, SHOWN, caller=never)
    await _all_gone(own_exchange)
    assert loud_s(*recordings_of(carrier.recordings, never)) > 4
    async with open_office(settings_for(own_exchange.connection, tmp_path), carrier):
        pass
    gone = customer_number("32")
    await asyncio.to_thread(carrier.call, SHOWN, caller=gone)
    await _all_gone(own_exchange)
    assert loud_s(*recordings_of(carrier.recordings, gone)) > 4


async def test_at_the_limit_the_notice_is_heard(own_exchange: Exchange, tmp_path: Path) -> None:
    settings = settings_for(own_exchange.connection, tmp_path, channel_limit=3)
    async with open_office(settings, own_exchange.carrier) as office:
        who, customer = await office.agent("33"), customer_number("32")
        await _called(office, who, customer)
        other = await office.place("33", "32")
        await office.reached(other, State.TALKING)
        await _ring_back(office, customer)
        begun = await _open(office, customer, lambda call: call)
        assert await office.services.callbacks.reserved_channels() == 3
        call, agent_row, customer_row = await _ended(office, begun)
        assert (call.reason, call.account_id, agent_row) == (Reason.NO_CHANNEL, None, None)
        check_row(customer_row, Row(ANSWERED, SYSTEM, 16, NOTICE_S, NOTICE_S))
        await _notice_heard(office, customer)
        await office.cancel(other, ADMIN)
        await office.ended(other)
        assert await office.services.callbacks.reserved_channels() == 0


async def test_killed_while_it_rings(own_exchange: Exchange, tmp_path: Path) -> None:
    """The next start ends the agent's ringing and tells the customer, who has heard it ring until then."""
    settings = settings_for(own_exchange.connection, tmp_path, ring_agent_s=60.0)
    async with open_office(settings, own_exchange.carrier) as office:
        who, customer = await office.agent("33"), customer_number("32")
        await _called(office, who, customer)
        silent = f"{_phone(who)[:-2]}12"
        await office.services.accounts.set(who.login, {"device_number": silent})
    service = Service(settings, tmp_path / "serve.log")
    await service.start()
    await asyncio.to_thread(own_exchange.carrier.call, SHOWN, caller=customer)
    await office.called(silent)
    await service.end(signal.SIGKILL)
    async with open_services(settings, telephony=True, node="main") as services:
        office = Office(services, own_exchange.carrier, [])
        call, agent_row, customer_row = await _ended(office, await _open(office, customer, lambda call: call))
        assert (call.reason, call.ended_by, call.talking_at) == (Reason.INTERRUPTED, SYSTEM, None)
        assert agent_row is not None
        assert (agent_row.disposition, agent_row.ended_by) == (Disposition.FAILED, SYSTEM)
        check_row(customer_row, Row(ANSWERED, SYSTEM, 16, NOTICE_S, (7, 30)))
        await _notice_heard(office, customer)
        await eventually(office.at_rest)
        assert await services.callbacks.reserved_channels() == 0


async def test_a_customer_who_waited_for_the_application_is_received(own_exchange: Exchange, tmp_path: Path) -> None:
    """The call came in on the socket of a process that died before it looked."""
    settings = settings_for(own_exchange.connection, tmp_path)
    access = (settings.ari_url, settings.ari_username, settings.ari_password.get_secret_value())
    customer = customer_number("32")
    async with open_client(*access, settings.ari_app) as client:
        await client.wait_connected()
        await asyncio.to_thread(own_exchange.carrier.call, SHOWN, caller=customer)
        await eventually(client.channels.list)
    async with open_office(settings, own_exchange.carrier) as office:
        call, _, customer_row = await _ended(office, await _open(office, customer, lambda call: call))
        assert (call.reason, call.ended_by) == (Reason.NO_ANSWER, SYSTEM)
        check_row(customer_row, Row(ANSWERED, SYSTEM, 16, NOTICE_S, (7, 30)))
        await _notice_heard(office, customer)


async def test_a_conversation_survives_the_application(own_exchange: Exchange, tmp_path: Path) -> None:
    settings = settings_for(own_exchange.connection, tmp_path)
    async with open_office(settings, own_exchange.carrier) as office:
        who, customer = await office.agent("33"), customer_number("32")
        await _called(office, who, customer)
        await _ring_back(office, customer)
        talking = await _open(office, customer, lambda call: call.talking_at)
    async with open_services(settings, telephony=True) as services:
        office = Office(services, own_exchange.carrier, [])
        assert (await _find(office, talking.id)).ended_at is None
        await asyncio.to_thread(own_exchange.carrier.hang_up, _phone(who))
        call, agent_row, customer_row = await _ended(office, talking)
        assert (call.reason, call.ended_by, call.talking_at) == (Reason.COMPLETED, AGENT, talking.talking_at)
        check_row(agent_row, Row(ANSWERED, AGENT, 16, (0, 8), (0, 8)))
        check_row(customer_row, Row(ANSWERED, AGENT, 16, (0, 8), (0, 8)))
        await eventually(office.at_rest)
        assert await office.services.callbacks.reserved_channels() == 0


async def _ring_back(office: Office, customer: str, number: str = SHOWN) -> None:
    await asyncio.to_thread(office.carrier.call, number, caller=customer)


async def _called(office: Office, who: Account, customer: str, typed_before: str = "") -> None:
    """The agent calls the customer; the call is over, its rows written."""
    call = await office.order(who, typed_before + customer)
    await office.reached(call, State.TALKING)
    await office.cancel(call, ADMIN)
    await office.ended(call)


def _phone(who: Account) -> str:
    assert who.device_number is not None
    return who.device_number


async def _open(office: Office, customer: str, when: Callable[[ReturnedCall], object]) -> ReturnedCall:
    """The customer's latest returned call, once it is as `when` says."""

    async def look() -> ReturnedCall | None:
        calls = await ReturnedCallStore(office.services.database).latest(20)
        return next((call for call in calls if call.customer_number == customer and when(call)), None)

    return await eventually(look)


async def _find(office: Office, call_id: str) -> ReturnedCall:
    calls = await ReturnedCallStore(office.services.database).latest(20)
    return next(call for call in calls if call.id == call_id)


async def _ended(office: Office, call: ReturnedCall) -> tuple[ReturnedCall, CdrRow | None, CdrRow | None]:
    """The call as it is written down once it is over, and its rows."""

    async def look() -> ReturnedCall | None:
        found = await _find(office, call.id)
        return found if found.ended_at else None

    ended = await eventually(look, 40)
    rows = {row.leg: row for row in (await office.services.cdrs.of_calls([call.id])).get(call.id, [])}
    return ended, rows.get(1), rows.get(2)


async def _abandon(office: Office, customer: str) -> None:
    """The customer, who hears it ring, hangs up."""

    def hang_up() -> None:
        carrier = office.carrier
        for channel in instance.ari_get(carrier.connection, "/channels"):
            if channel["state"] != "Up" and customer in (channel["caller"]["number"], channel["connected"]["number"]):
                carrier._action(Action="Hangup", Channel=channel["name"], Cause="16")
                return
        raise AssertionError("nobody rings")

    await asyncio.to_thread(hang_up)


def _heard_last(office: Office, number: str, hz: int) -> float:
    """Seconds of a tone in a phone's newest recording."""
    found = recordings_of(office.carrier.recordings, number)
    return heard_s(growing(found[-1]), hz) if found else 0.0


async def _notice_heard(office: Office, customer: str) -> None:
    recording = recordings_of(office.carrier.recordings, customer)[-1]
    await eventually(lambda: loud_s(recording) > 4)


async def _all_gone(exchange: Exchange) -> None:
    """Wait until a call has come and gone."""

    def channels() -> int:
        return len(instance.ari_get(exchange.connection, "/channels"))

    await eventually(lambda: asyncio.to_thread(channels))
    await eventually(lambda: asyncio.to_thread(lambda: not channels()), 30)
