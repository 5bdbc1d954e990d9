"""`kakehashi account`: add, list, change and import accounts."""

import secrets
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ari_app.cli.account_import import read_accounts
from ari_app.cli.output import AsJson, print_json, say, show_list
from ari_app.cli.services import with_services
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
from web.credentials import hash_password

if TYPE_CHECKING:
    from web.services import Services

PASSWORD_BYTES = 12
COLUMNS = ("login", "name", "role", "agent", "device", "device_number", "email", "verified_at", "disabled_at")

app = typer.Typer(help="アカウントの登録と変更。", no_args_is_help=True, rich_markup_mode=None)

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="ログインID")]
Name = Annotated[str | None, typer.Option(help="名前（既定: ログインIDと同じ）")]
Number = Annotated[str | None, typer.Option(metavar="TEL", help="サインイン端末の電話番号、または内線番号")]
Email = Annotated[str | None, typer.Option(help="メールアドレス")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="パスワードを標準入力から読む（1行）")]
Verified = Annotated[bool, typer.Option("--verified", help="電話番号は本人のものと確認済みとする")]
Accept = Annotated[
    Acceptance | None, typer.Option(help="発信元の応答確認：none なし、press1 で1を押す（既定: 全体の設定）")
]


@app.command()
def add(
    login: Login,
    role: Annotated[Role, typer.Option(help="ロール")],
    name: Name = None,
    agent: Annotated[bool, typer.Option("--agent", help="エージェント利用を有効にする")] = False,
    device: Annotated[
        Device, typer.Option(help="サインイン端末：external 外線番号、extension 内線番号")
    ] = Device.EXTERNAL,
    number: Number = None,
    email: Email = None,
    accept: Accept = None,
    password_stdin: PasswordStdin = False,
    verified: Verified = False,
    as_json: AsJson = False,
) -> None:
    """アカウントを登録する。パスワードを渡さなければ作成し、一度だけ表示する。"""
    password = _password_from_stdin() if password_stdin else secrets.token_urlsafe(PASSWORD_BYTES)

    async def work(services: "Services") -> Account:
        values: dict[str, Any] = {
            "login": check_login(login),
            "name": check_name(name or login),
            "role": role,
            "agent": agent,
            "device": device,
            "email": check_email(email) if email else None,
            "acceptance": accept,
            "device_number": await _device_number(services, number, device),
            "verified_at": services.clock.now() if verified else None,
            "password_hash": await hash_password(password),
        }
        return await services.accounts.add(values, services.clock.now())

    account = with_services(work)
    if as_json:
        print_json(asdict(account) | ({} if password_stdin else {"password": password}))
        return
    say("アカウント {login} を登録しました", login=account.login)
    if not password_stdin:
        say("パスワード: {password}", password=password)


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """アカウントの一覧を表示する。"""
    accounts = with_services(lambda services: services.accounts.all())
    show_list(map(asdict, accounts), COLUMNS, as_json=as_json)


@app.command("set")
def change(
    login: Login,
    role: Annotated[Role | None, typer.Option(help="ロール")] = None,
    name: Annotated[str | None, typer.Option(help="名前")] = None,
    agent: Annotated[bool | None, typer.Option("--agent/--no-agent", help="エージェント利用")] = None,
    device: Annotated[Device | None, typer.Option(help="サインイン端末：external 外線番号、extension 内線番号")] = None,
    number: Number = None,
    email: Email = None,
    accept: Accept = None,
    password_stdin: PasswordStdin = False,
    verified: Verified = False,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="ログインと発信の可否")] = None,
    as_json: AsJson = False,
) -> None:
    """アカウントを変更する。端末や番号を変えると、その番号の確認はやり直しになる。"""
    password = _password_from_stdin() if password_stdin else None

    async def work(services: "Services") -> Account:
        current = await services.accounts.by_login(login)
        wanted = {
            "role": role,
            "name": name and check_name(name),
            "agent": agent,
            "device": device,
            "email": email and check_email(email),
            "acceptance": accept,
            "password_hash": password and await hash_password(password),
        }
        changes: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
        kept = number or (current.device_number if device else None)
        if kept is not None:
            changes["device_number"] = await _device_number(services, kept, device or current.device)
        changes |= _verification(current, changes, services.clock.now() if verified else None)
        if enabled is not None:
            changes["disabled_at"] = None if enabled else services.clock.now()
        check_change(current, changes)
        if not changes:
            return current
        changed = await services.accounts.set(login, changes)
        if password or changed.disabled_at:
            await services.access.close_sessions(changed.id)
        return changed

    account = with_services(work)
    if as_json:
        print_json(asdict(account))
    else:
        say("アカウント {login} を変更しました", login=account.login)


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, help="UTF-8（BOM 可）か CP932")
    ],
    as_json: AsJson = False,
) -> None:
    """CSV からアカウントを登録する。一行でも誤りがあれば、誤りをすべて示して何も登録しない。

    列: login, role（必須）, name, agent, device, number, email, verified, password。
    真偽の列は 1・true・yes（空は偽）。password が空のアカウントは、設定するまでログインできない。
    """

    async def work(services: "Services") -> list[Account]:
        company = await services.numbers.digits()
        known = {account.login for account in await services.accounts.all()}
        now = services.clock.now()
        rows = read_accounts(file.read_bytes(), known, company, services.settings.toll_policy, now)
        for values in rows:
            password = values.pop("password")
            values["password_hash"] = await hash_password(password) if password else None
        return await services.accounts.add_all(rows, now)

    accounts = with_services(work)
    if as_json:
        print_json({"items": [asdict(account) for account in accounts], "next": None})
    else:
        say("{count}件のアカウントを登録しました", count=len(accounts))


async def _device_number(services: "Services", text: str | None, device: Device) -> str | None:
    if text is None:
        return None
    return check_device_number(text, device, await services.numbers.digits(), services.settings.toll_policy)


def _verification(current: Account, changes: dict[str, Any], verified_at: datetime | None) -> dict[str, Any]:
    """Another phone was not verified by the test call of the one before."""
    moved = any(
        key in changes and changes[key] != value
        for key, value in (("device", current.device), ("device_number", current.device_number))
    )
    return {"verified_at": verified_at} if moved or verified_at else {}


def _password_from_stdin() -> str:
    return check_password(sys.stdin.readline().rstrip("\r\n"))
