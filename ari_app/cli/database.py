"""`kakehashi db`: the database's schema, and data to try the product with."""

import asyncio
from typing import Annotated

import typer

from ari_app.cli.output import AsJson, print_json, say
from ari_app.cli.services import with_services
from ari_app.config import load_settings

app = typer.Typer(help="データベースの準備。", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def upgrade(as_json: AsJson = False) -> None:
    """スキーマをこの版に合わせる。"""
    from db import schema  # takes a second to load: not for `--help`
    from db.engine import open_database

    async def work() -> None:
        async with open_database(load_settings().database_url) as database:
            await schema.upgrade(database)

    asyncio.run(work())
    if as_json:
        print_json({"ok": True})
    else:
        say("スキーマは最新です")


@app.command()
def check(as_json: AsJson = False) -> None:
    """スキーマがこの版と同じか調べる。違えば終了コード 1。"""
    from db import schema  # takes a second to load: not for `--help`
    from db.engine import open_database

    async def work() -> list[str]:
        async with open_database(load_settings().database_url) as database:
            return await schema.differences(database)

    differences = asyncio.run(work())
    if as_json:
        print_json({"ok": not differences, "differences": differences})
    elif differences:
        say("スキーマがこの版と違います（kakehashi db upgrade で更新）")
        for difference in differences:
            typer.echo(f"  {difference}")
    else:
        say("スキーマは最新です")
    if differences:
        raise typer.Exit(1)


@app.command("seed-demo")
def seed_demo(
    callbacks: Annotated[int, typer.Option(min=0, help="過去60日に散らすコールバックの件数")] = 1000,
    as_json: AsJson = False,
) -> None:
    """試用のデータ（アカウント、電話番号、コールセンター、発信とその履歴）を作る。登録済みのものはそのまま使う。"""
    from ari_app.cli.seeding import seed  # takes a second to load: not for `--help`

    passwords = with_services(lambda services: seed(services, callbacks))
    if as_json:
        print_json({"callbacks": callbacks, "passwords": passwords})
        return
    say("コールバック {count}件を作成しました", count=callbacks)
    for login, password in passwords.items():
        say("ログインID {login}、パスワード {password}", login=login, password=password)
