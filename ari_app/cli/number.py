"""`kakehashi number` and `kakehashi prefix`: the company's numbers, and the prefixes that choose one."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ari_app.cli.output import AsJson, print_json, say, show_list
from ari_app.cli.services import with_services
from ari_app.domain.account import check_name
from ari_app.domain.numbers import normalise
from ari_app.domain.prefix import check_prefix
from ari_app.domain.resources import Number, Prefix

if TYPE_CHECKING:
    from web.services import Services

app = typer.Typer(help="会社の電話番号の登録。", no_args_is_help=True, rich_markup_mode=None)
prefix_app = typer.Typer(
    help="プレフィックス番号の登録。番号の前に付けて発信すると、その電話番号がお客様に通知される。",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Tel = Annotated[str, typer.Argument(metavar="TEL", help="会社の電話番号")]


@app.command("add")
def add_number(
    tel: Tel, name: Annotated[str, typer.Option(help="名前（用途など）")] = "", as_json: AsJson = False
) -> None:
    """電話番号を登録する。その番号をサインイン端末にしているアカウントがあれば知らせる（発信できなくなる）。"""

    async def work(services: "Services") -> tuple[Number, list[str]]:
        digits = normalise(tel, "tel")
        number = await services.numbers.add(digits, check_name(name) if name else "", services.clock.now())
        return number, [who.login for who in await services.accounts.all() if who.device_number == digits]

    number, holders = with_services(work)
    if as_json:
        print_json(asdict(number) | {"device_of": holders})
        return
    say("電話番号 {tel} を登録しました", tel=number.tel)
    if holders:
        say("この番号をサインイン端末にしているため発信できなくなるアカウント: {logins}", logins=", ".join(holders))


@app.command("list")
def list_numbers(as_json: AsJson = False) -> None:
    """電話番号の一覧を表示する。"""
    numbers = with_services(lambda services: services.numbers.all())
    show_list(map(asdict, numbers), ("tel", "name"), as_json=as_json)


@prefix_app.command("add")
def add_prefix(
    digits: Annotated[
        str, typer.Argument(metavar="DIGITS", help="1〜2桁の番号。0を含まず、184・186の始まりとも重ならないもの")
    ],
    tel: Tel,
    as_json: AsJson = False,
) -> None:
    """プレフィックス番号を登録する。"""

    async def work(services: "Services") -> Prefix:
        return await services.numbers.add_prefix(check_prefix(digits), normalise(tel, "tel"))

    prefix = with_services(work)
    if as_json:
        print_json(asdict(prefix))
    else:
        say("プレフィックス番号 {digits} に {tel} を登録しました", digits=prefix.digits, tel=prefix.tel)


@prefix_app.command("list")
def list_prefixes(as_json: AsJson = False) -> None:
    """プレフィックス番号の一覧を表示する。"""
    prefixes = with_services(lambda services: services.numbers.all_prefixes())
    show_list(map(asdict, prefixes), ("digits", "tel"), as_json=as_json)
