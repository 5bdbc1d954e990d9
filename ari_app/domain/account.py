"""Accounts: roles, the agent's sign-in device, and what must hold before a callback."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ari_app.domain.callback import Acceptance
from ari_app.domain.numbers import EXTENSION_DIGITS, TollPolicy, normalise
from ari_app.errors import (
    CallbackUnavailableError,
    EmailFormatError,
    LoginFormatError,
    NameFormatError,
    NoCallerIdError,
    NumberLengthError,
    OwnCompanyNumberError,
    PasswordLengthError,
    TopmostAccountError,
)

NAME_CHARACTERS = 120
PASSWORD_CHARACTERS = 8
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_EMAIL = re.compile(r"[^\s@<>\",;]{1,64}@[^\s@<>\",;]{1,189}")


class Role(StrEnum):
    """Exactly one an account."""

    ADMIN = "admin"
    SUPERVISOR = "supervisor"
    USER = "user"


class Device(StrEnum):
    """サインイン端末: where the agent's calls ring."""

    EXTERNAL = "external"
    EXTENSION = "extension"


@dataclass(frozen=True, slots=True)
class Account:
    """One account. `device_number` is the external number (national digits) or the extension.

    `topmost` is the first administrator: never an agent. `acceptance` None means the installation's default.
    """

    id: int
    login: str
    name: str
    role: Role
    agent: bool
    device: Device
    device_number: str | None
    email: str | None = None
    topmost: bool = False
    acceptance: Acceptance | None = None
    last_caller_id: str | None = None
    language: str | None = None
    verified_at: datetime | None = None
    disabled_at: datetime | None = None


def require_agent(account: Account, company_numbers: Collection[str]) -> str:
    """The number of the phone a callback of this account rings first.

    Raises CallbackUnavailableError (no agent, disabled, or an extension), OwnCompanyNumberError.
    """
    agent = account.agent and not account.topmost and account.disabled_at is None
    if not agent or account.device is not Device.EXTERNAL or not account.device_number:
        raise CallbackUnavailableError
    if account.device_number in company_numbers:
        raise OwnCompanyNumberError(field="device_number", number=account.device_number)
    return account.device_number


def require_caller_ids(candidates: Collection[str]) -> None:
    """Raises NoCallerIdError when the account has no number to show."""
    if not candidates:
        raise NoCallerIdError


def check_login(text: str) -> str:
    """A login as it is kept. Raises LoginFormatError."""
    if not _LOGIN.fullmatch(text):
        raise LoginFormatError(field="login")
    return text


def check_name(text: str, field: str = "name", maximum: int = NAME_CHARACTERS) -> str:
    """A name for people as it is kept: one line, trimmed. Raises NameFormatError."""
    name = text.strip()
    if not name or len(name) > maximum or any(unicodedata.category(char).startswith("C") for char in name):
        raise NameFormatError(field=field, maximum=maximum)
    return name


def check_email(text: str) -> str:
    """A mail address as it is kept. Raises EmailFormatError."""
    if not _EMAIL.fullmatch(text):
        raise EmailFormatError(field="email")
    return text


def check_password(text: str) -> str:
    """A password that may be set. Raises PasswordLengthError."""
    if len(text) < PASSWORD_CHARACTERS:
        raise PasswordLengthError(field="password", minimum=PASSWORD_CHARACTERS)
    return text


def check_device_number(text: str, device: Device, company_numbers: Collection[str], toll: TollPolicy) -> str:
    """A sign-in device's number as it is kept: an extension's digits, or a number that may be dialled.

    Raises what `normalise` and `TollPolicy.check` raise, and OwnCompanyNumberError, with field `device_number`.
    """
    number = normalise(text, "device_number")
    if device is Device.EXTERNAL:
        if number in company_numbers:
            raise OwnCompanyNumberError(field="device_number", number=number)
        toll.check(number, "device_number")
    elif not EXTENSION_DIGITS[0] <= len(number) <= EXTENSION_DIGITS[1]:
        raise NumberLengthError(field="device_number", minimum=EXTENSION_DIGITS[0], maximum=EXTENSION_DIGITS[1])
    return number


def check_change(current: Account, changes: Mapping[str, object]) -> None:
    """The topmost administrator stays one, stays able to sign in, and is no agent. Raises TopmostAccountError."""
    if not current.topmost:
        return
    if changes.get("agent"):
        raise TopmostAccountError(field="agent")
    if changes.get("role", Role.ADMIN) is not Role.ADMIN:
        raise TopmostAccountError(field="role")
    if changes.get("disabled_at") is not None:
        raise TopmostAccountError(field="disabled_at")
