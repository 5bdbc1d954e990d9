"""Accounts: roles, the agent's sign-in device, and what must hold before a callback."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ari_app.domain.callback import Acceptance
from ari_app.errors import CallbackUnavailableError, NoCallerIdError, OwnCompanyNumberError


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

    Raises CallbackUnavailableError (no agent, or an extension), OwnCompanyNumberError.
    """
    if account.topmost or not account.agent or account.device is not Device.EXTERNAL or not account.device_number:
        raise CallbackUnavailableError
    if account.device_number in company_numbers:
        raise OwnCompanyNumberError(field="device_number", number=account.device_number)
    return account.device_number


def require_caller_ids(candidates: Collection[str]) -> None:
    """Raises NoCallerIdError when the account has no number to show."""
    if not candidates:
        raise NoCallerIdError
