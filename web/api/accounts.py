"""/accounts: アカウント, who works with the installation and on which phone."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import ConfigDict, Field

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
)
from ari_app.domain.callback import Acceptance
from ari_app.domain.permissions import Action
from ari_app.errors import InUseError, NotPermittedError, TopmostAccountError
from web.api.caller import Caller
from web.api.operation import Resource
from web.api.schema import (
    LEFT_OUT,
    Changes,
    Id,
    Input,
    Line,
    ListView,
    PageQuery,
    Time,
    TypedNumber,
    View,
    settings_page,
)
from web.credentials import hash_password
from web.language import Language
from web.representation import iso_time

accounts = Resource("/accounts", "settings")

Login = Annotated[str, Field(max_length=64, examples=["tanaka"])]
Email = Annotated[str | None, Field(max_length=254, examples=["tanaka@example.com"])]
Password = Annotated[str, Field(min_length=8, max_length=256, json_schema_extra={"writeOnly": True})]
DeviceNumber = Annotated[TypedNumber | None, Field(description="the external number, or the extension")]
Verified = Annotated[bool, Field(description="the number is known to be its holder's")]
AcceptanceChoice = Annotated[Acceptance | None, Field(description="null: the installation's default")]


class NewAccount(Input):
    """An account to register. Without a password nobody can sign in with it until one is set."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"login": "tanaka", "name": "田中", "role": "user", "agent": True, "device_number": "090-1111-2222"}
            ]
        }
    )

    login: Login
    name: Line
    role: Role
    password: Password | None = None
    agent: Annotated[bool, Field(description="エージェント利用")] = False
    device: Annotated[Device, Field(description="サインイン端末")] = Device.EXTERNAL
    device_number: DeviceNumber = None
    verified: Verified = False
    email: Email = None
    acceptance: AcceptanceChoice = None
    language: Language | None = None


class AccountChanges(Changes):
    """What to change of an account. Another device or number has to be verified anew."""

    name: Line = LEFT_OUT
    role: Role = LEFT_OUT
    password: Password = LEFT_OUT
    agent: bool = LEFT_OUT
    device: Device = LEFT_OUT
    device_number: DeviceNumber = LEFT_OUT
    verified: Verified = LEFT_OUT
    disabled: Annotated[bool, Field(description="nobody can sign in or call with it")] = LEFT_OUT
    email: Email = LEFT_OUT
    acceptance: AcceptanceChoice = LEFT_OUT
    language: Language | None = LEFT_OUT


class AccountView(View):
    """An account. `topmost` is the first administrator, never an agent."""

    id: Id
    login: str
    name: str
    role: Role
    topmost: bool
    agent: bool
    device: Device
    device_number: str | None
    verified_at: Time | None
    email: str | None
    acceptance: Acceptance | None
    language: str | None
    last_caller_id: str | None
    disabled_at: Time | None


class AccountList(ListView[AccountView]):
    """Accounts, by id."""


@accounts.operation("GET", needs=Action.MANAGE_SETTINGS)
async def list_accounts(caller: Caller, query: PageQuery) -> AccountList:
    """List the accounts."""
    page, following = settings_page(await caller.services.accounts.all(), query)
    return AccountList(items=[_view(account, caller) for account in page], next=following)


@accounts.operation("POST", needs=Action.MANAGE_SETTINGS, status=HTTPStatus.CREATED)
async def add_account(caller: Caller, body: NewAccount) -> AccountView:
    """Register an account.

    A token with scopes cannot make an administrator: they may more than it.
    """
    _guard_administrators(caller, body.role)
    services, now = caller.services, caller.services.clock.now()
    values = {
        "login": check_login(body.login),
        "name": check_name(body.name),
        "role": body.role,
        "agent": body.agent,
        "device": body.device,
        "device_number": await _device_number(caller, body.device_number, body.device),
        "verified_at": now if body.verified else None,
        "email": body.email and check_email(body.email),
        "acceptance": body.acceptance,
        "language": body.language,
        "password_hash": body.password and await hash_password(check_password(body.password)),
    }
    return _view(await services.accounts.add(values, now), caller)


@accounts.operation("GET", "/{id}", needs=Action.MANAGE_SETTINGS)
async def get_account(caller: Caller, id: Id) -> AccountView:  # noqa: A002 - the path's word
    """Read an account."""
    return _view(await caller.services.accounts.get(id), caller)


@accounts.operation("PATCH", "/{id}", needs=Action.MANAGE_SETTINGS)
async def change_account(caller: Caller, id: Id, body: AccountChanges) -> AccountView:  # noqa: A002
    """Change an account.

    A new password, or disabling it, signs the account out everywhere.
    """
    services = caller.services
    current = await services.accounts.get(id)
    _guard_administrators(caller, current.role, body.role)
    changes = await _changes(caller, current, body.given())
    check_change(current, changes)
    changed = await services.accounts.set(current.login, changes) if changes else current
    if "password_hash" in changes or changed.disabled_at is not None:
        await services.access.close_sessions(id)
    return _view(changed, caller)


@accounts.operation("DELETE", "/{id}", needs=Action.MANAGE_SETTINGS, refuses=(InUseError, TopmostAccountError))
async def delete_account(caller: Caller, id: Id) -> None:  # noqa: A002
    """Remove an account with its grants, sessions and tokens; one that has called can only be disabled."""
    _guard_administrators(caller, (await caller.services.accounts.get(id)).role)
    await caller.services.accounts.delete(id)


def _guard_administrators(caller: Caller, *roles: Role | None) -> None:
    """A token with scopes would otherwise set an administrator's password, and have every right through it."""
    if caller.principal.scopes is not None and Role.ADMIN in roles:
        raise NotPermittedError


async def _changes(caller: Caller, current: Account, given: dict[str, Any]) -> dict[str, Any]:
    now = caller.services.clock.now()
    changes: dict[str, Any] = {
        name: given[name] for name in ("role", "agent", "device", "acceptance", "language") if name in given
    }
    if "name" in given:
        changes["name"] = check_name(given["name"])
    if "email" in given:
        changes["email"] = given["email"] and check_email(given["email"])
    if "password" in given:
        changes["password_hash"] = await hash_password(check_password(given["password"]))
    if "device" in given or "device_number" in given:
        typed, device = given.get("device_number", current.device_number), given.get("device", current.device)
        changes["device_number"] = await _device_number(caller, typed, device)
        if (device, changes["device_number"]) != (current.device, current.device_number):
            changes["verified_at"] = None
    if "verified" in given:
        changes["verified_at"] = now if given["verified"] else None
    if "disabled" in given:
        changes["disabled_at"] = (current.disabled_at or now) if given["disabled"] else None
    return changes


async def _device_number(caller: Caller, typed: str | None, device: Device) -> str | None:
    if typed is None:
        return None
    services = caller.services
    return check_device_number(typed, device, await services.numbers.digits(), services.settings.toll_policy)


def _view(account: Account, caller: Caller) -> AccountView:
    return AccountView(
        id=account.id,
        login=account.login,
        name=account.name,
        role=account.role,
        topmost=account.topmost,
        agent=account.agent,
        device=account.device,
        device_number=account.device_number,
        verified_at=iso_time(account.verified_at, caller.zone),
        email=account.email,
        acceptance=account.acceptance,
        language=account.language,
        last_caller_id=account.last_caller_id,
        disabled_at=iso_time(account.disabled_at, caller.zone),
    )
