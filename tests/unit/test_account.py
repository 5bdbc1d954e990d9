"""Accounts: what must hold before a callback, and what may be kept of an account."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ari_app.domain.account import (
    Account,
    Device,
    Role,
    check_change,
    check_device_number,
    check_email,
    check_login,
    check_name,
    check_password,
    require_agent,
    require_caller_ids,
)
from ari_app.domain.numbers import TollPolicy
from ari_app.errors import (
    CallbackUnavailableError,
    EmailFormatError,
    EmergencyNumberError,
    InvalidInputError,
    LoginFormatError,
    NameFormatError,
    NoCallerIdError,
    NumberCharactersError,
    NumberLengthError,
    OwnCompanyNumberError,
    PasswordLengthError,
    TopmostAccountError,
)

COMPANY = {"0312345678", "0355556666"}
TOLL = TollPolicy(tuple(f"0{digit}" for digit in range(1, 10)), 9, 30)


def an_agent(**facts: Any) -> Account:
    agent: dict[str, Any] = {"role": Role.USER, "agent": True, "device": Device.EXTERNAL}
    return Account(id=1, login="tanaka", name="田中", **(agent | {"device_number": "09011110001"} | facts))


def test_an_agent_may_call() -> None:
    assert require_agent(an_agent(), COMPANY) == "09011110001"


# 「エージェント利用が無効であるか、サインイン端末が内線番号になっています」
@pytest.mark.parametrize(
    "facts",
    [
        {"agent": False},
        {"device": Device.EXTENSION, "device_number": "7001"},
        {"device_number": None},
        {"device_number": ""},
        {"topmost": True, "role": Role.ADMIN},
    ],
)
def test_who_may_not_call(facts: dict[str, Any]) -> None:
    with pytest.raises(CallbackUnavailableError) as refusal:
        require_agent(an_agent(**facts), COMPANY)
    assert refusal.value.message == (
        "アカウントのエージェント利用が無効であるか、サインイン端末が内線番号になっています\n"
        "エージェント利用が有効なアカウントでログインするか、サインイン端末を変更してください"
    )


def test_the_companys_own_number_rings_nobody() -> None:
    """Refused when saved and again when dialling."""
    with pytest.raises(OwnCompanyNumberError) as refusal:
        require_agent(an_agent(device_number="0312345678"), COMPANY)
    assert (refusal.value.field, refusal.value.number) == ("device_number", "0312345678")
    with pytest.raises(OwnCompanyNumberError):
        check_device_number("03-1234-5678", Device.EXTERNAL, COMPANY, TOLL)


def test_no_number_to_show() -> None:
    """「通知番号に選択可能な電話番号がありません」"""
    require_caller_ids(["0312345678"])
    with pytest.raises(NoCallerIdError) as refusal:
        require_caller_ids([])
    assert refusal.value.message.startswith("通知番号に選択可能な電話番号がありません\n")


@pytest.mark.parametrize(
    ("typed", "device", "kept"),
    [
        ("090-1111-0001", Device.EXTERNAL, "09011110001"),
        ("+81 90 1111 0001", Device.EXTERNAL, "09011110001"),
        ("７００１", Device.EXTENSION, "7001"),
    ],
)
def test_a_sign_in_device(typed: str, device: Device, kept: str) -> None:
    assert check_device_number(typed, device, COMPANY, TOLL) == kept


@pytest.mark.parametrize(
    ("typed", "device", "error"),
    [
        ("110", Device.EXTERNAL, EmergencyNumberError),
        ("7001", Device.EXTERNAL, NumberLengthError),
        ("70010000000", Device.EXTENSION, NumberLengthError),
        ("x", Device.EXTENSION, NumberCharactersError),
    ],
)
def test_no_sign_in_device(typed: str, device: Device, error: type[InvalidInputError]) -> None:
    with pytest.raises(error) as refusal:
        check_device_number(typed, device, COMPANY, TOLL)
    assert refusal.value.field == "device_number"


@pytest.mark.parametrize("login", ["a", "tanaka", "t.sato@example.co.jp", "A-1_b+c", "0" * 64])
def test_a_login(login: str) -> None:
    assert check_login(login) == login


@pytest.mark.parametrize("login", ["", " tanaka", "田中", "-x", ".x", "a b", "a\n", "a/b", "0" * 65])
def test_no_login(login: str) -> None:
    with pytest.raises(LoginFormatError):
        check_login(login)


@pytest.mark.parametrize(("typed", "kept"), [("田中", "田中"), ("  𠮷野 家 ", "𠮷野 家"), ("x" * 120, "x" * 120)])
def test_a_name(typed: str, kept: str) -> None:
    assert check_name(typed) == kept


@pytest.mark.parametrize("typed", ["", "  ", "x" * 121, "a\nb", "a\r\nb", "a\x00b", "a\u202eb"])
def test_no_name(typed: str) -> None:
    with pytest.raises(NameFormatError):
        check_name(typed)


@pytest.mark.parametrize("typed", ["a@b", "t.sato+x@example.co.jp"])
def test_a_mail_address(typed: str) -> None:
    assert check_email(typed) == typed


@pytest.mark.parametrize("typed", ["", "a", "a@", "@b", "a b@c", "a@b@c", "a@b\nBcc: x@y", "a,b@c", '"a"@b', "<a@b>"])
def test_no_mail_address(typed: str) -> None:
    """A line break would write mail headers."""
    with pytest.raises(EmailFormatError):
        check_email(typed)


def test_a_password() -> None:
    assert check_password("12345678") == "12345678"
    with pytest.raises(PasswordLengthError) as refusal:
        check_password("1234567")
    assert refusal.value.minimum == 8


@pytest.mark.parametrize(
    "changes", [{"agent": True}, {"role": Role.USER}, {"role": Role.SUPERVISOR}, {"disabled_at": datetime.now(UTC)}]
)
def test_the_topmost_administrator_stays(changes: dict[str, object]) -> None:
    """「最上位のシステム管理者アカウントではエージェント機能を利用できません」; nor can it be lost."""
    with pytest.raises(TopmostAccountError) as refusal:
        check_change(an_agent(topmost=True, role=Role.ADMIN, agent=False), changes)
    assert refusal.value.field == next(iter(changes))
    check_change(an_agent(role=Role.ADMIN), changes)


@pytest.mark.parametrize("changes", [{}, {"name": "x"}, {"agent": False}, {"role": Role.ADMIN}, {"disabled_at": None}])
def test_what_the_topmost_administrator_may_change(changes: dict[str, object]) -> None:
    check_change(an_agent(topmost=True, role=Role.ADMIN, agent=False), changes)
