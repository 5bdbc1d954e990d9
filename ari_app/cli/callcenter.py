"""`kakehashi callcenter`: call centers, their numbers and agents."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ari_app.cli.output import AsJson, print_json, say, show_list
from ari_app.cli.services import with_services
from ari_app.domain.account import check_name
from ari_app.domain.numbers import normalise
from ari_app.domain.resources import CallCenter

if TYPE_CHECKING:
    from web.services import Services

NAME_CHARACTERS = 60

app = typer.Typer(help="コールセンターの登録。", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="名前（60文字以内）")],
    numbers: Annotated[
        list[str] | None, typer.Option("--number", metavar="TEL", help="ダイヤルイン番号（繰り返し可）")
    ] = None,
    agents: Annotated[
        list[str] | None, typer.Option("--agent", metavar="LOGIN", help="所属エージェント（繰り返し可）")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """コールセンターを登録する。所属エージェントは、そのダイヤルイン番号を通知番号に選べる。"""

    async def work(services: "Services") -> CallCenter:
        digits = [normalise(number, "number") for number in numbers or ()]
        return await services.numbers.add_call_center(
            check_name(name, maximum=NAME_CHARACTERS), digits, agents or (), services.clock.now()
        )

    center = with_services(work)
    if as_json:
        print_json(asdict(center))
    else:
        say("コールセンター {name} を登録しました", name=center.name)


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """コールセンターの一覧を表示する。"""
    centers = with_services(lambda services: services.numbers.all_call_centers())
    show_list(map(asdict, centers), ("name", "numbers", "agents"), as_json=as_json)
