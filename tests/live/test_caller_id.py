"""The number each phone is shown, on the wire: and neither party's own number anywhere on the other's leg."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from ari_app.domain.callback import Acceptance, Callback, State
from ari_app.domain.ending import Party
from ari_app.errors import InvalidInputError

from .capture import Capture, captured
from .exchange import Exchange
from .office import PREFIX, PREFIX_SHOWN, SHOWN, Office, customer_number

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

HOSTILE = (
    "0312345678\r\nX-Evil: 1",
    "0312345678\nVia: evil",
    "sip:0312345678@evil.example",
    "0312345678@evil.example",
    "0312345678?X-Evil=1",
    "0312345678;evil=1",
    '0312345678" <sip:evil@evil.example>',
    "0312345678&PJSIP/0990123456",
    "0312345678,evil",
    "0312345678\x00evil",
    "${SHELL(evil)}",
)


@dataclass(frozen=True)
class Case:
    """What is typed before the customer's number, and what the customer's phone is shown."""

    typed: str
    shown: str
    withheld: bool = False
    acceptance: Acceptance = Acceptance.NONE


CASES = {
    "the screen's number": Case("", SHOWN),
    "after the key": Case("", SHOWN, acceptance=Acceptance.PRESS1),
    "a prefix": Case(PREFIX, PREFIX_SHOWN),
    "186": Case("186", SHOWN),
    "184": Case("184", SHOWN, withheld=True),
    "184, then a prefix": Case(f"184{PREFIX}", PREFIX_SHOWN, withheld=True),
    "a prefix, then 184": Case(f"{PREFIX}184", PREFIX_SHOWN, withheld=True),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calls(office: Office) -> dict[str, Callback]:
    """Every case, carried out while the SIP was captured (see `wire`)."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wire(office: Office, exchange: Exchange, calls: dict[str, Callback]) -> AsyncIterator[Capture]:
    """The SIP of all cases."""

    async def carry_out(name: str, case: Case) -> None:
        agent = "21" if case.acceptance is Acceptance.PRESS1 else "33"
        call = await office.place(agent, "32", case.acceptance, typed_before=case.typed)
        calls[name] = await office.reached(call, State.TALKING)
        # What a switch tells about connected lines, it tells within the first second.
        await asyncio.sleep(1)
        await office.cancel(call, Party.ADMIN)
        await office.ended(call)

    with captured(exchange.pbx) as capture:
        await asyncio.gather(*(carry_out(name, case) for name, case in CASES.items()))
    yield capture


@pytest.mark.parametrize("name", CASES)
async def test_each_phone_is_shown_its_number(name: str, calls: dict[str, Callback], wire: Capture) -> None:
    """From and P-Asserted-Identity of both INVITEs; a withheld number goes to the carrier only."""
    call, case = calls[name], CASES[name]
    agent, customer = wire.invite(call.agent_number), wire.invite(call.customer_number)

    assert (_user(agent["From"]), _user(agent["P-Asserted-Identity"])) == (SHOWN, SHOWN)
    assert agent["Privacy"] == ""
    assert _user(customer["P-Asserted-Identity"]) == case.shown
    assert _user(customer["From"]) == ("anonymous" if case.withheld else case.shown)
    assert customer["Privacy"] == ("id" if case.withheld else "")


@pytest.mark.parametrize("name", CASES)
async def test_neither_number_is_on_the_others_leg(name: str, calls: dict[str, Callback], wire: Capture) -> None:
    """No message of a leg, from INVITE to BYE, names the other party."""
    call = calls[name]
    for number, others in (
        (call.agent_number, call.customer_number),
        (call.customer_number, call.agent_number),
    ):
        dialog = wire.dialog(number)
        assert {"INVITE", "ACK", "BYE"} <= {message.method for message in dialog}
        for message in dialog:
            assert others not in message.encode().decode()


async def test_a_withheld_number_is_named_in_no_header_the_phone_sees(
    calls: dict[str, Callback], wire: Capture
) -> None:
    """Of all requests on that leg only P-Asserted-Identity, which a carrier strips, has it (RFC 3325)."""
    for name in ("184", "184, then a prefix", "a prefix, then 184"):
        dialog = wire.dialog(calls[name].customer_number)
        for message in dialog:
            visible = [value for header, value in message.headers if header != "P-Asserted-Identity"]
            assert not any(CASES[name].shown in value for value in visible), message.start


async def test_hostile_numbers_never_reach_the_wire(office: Office, exchange: Exchange) -> None:
    """Typed, chosen or stored: they are refused, and what is sent next holds not one byte of them."""
    desk, accounts = office.services.desk, office.services.accounts
    who = await office.agent("33")
    with captured(exchange.pbx) as capture:
        for number in HOSTILE:
            for caller_id, customer in ((SHOWN, number), (number, customer_number("32"))):
                with pytest.raises(InvalidInputError):
                    await desk.place(who, caller_id=caller_id, customer_number=customer)
            stored = await accounts.set(who.login, {"device_number": number.replace("0312345678", "09012345633")})
            with pytest.raises(InvalidInputError):
                await office.order(stored, customer_number("32"))
        call = await office.place("33", "11")
        await office.ended(call)
    assert capture.invite(call.customer_number)
    assert b"evil" not in capture.raw.lower()


def _user(header: str) -> str:
    found = re.search(r"sip:([^@>]*)@", header)
    return found[1] if found else ""
