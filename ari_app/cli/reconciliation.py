"""`kakehashi cdr reconcile`: the rows held against Asterisk's own records."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from ari_app.cli.output import AsJson, language, print_json, say
from ari_app.cli.services import with_services
from ari_app.domain.reconciliation import Finding, Kind
from ari_app.domain.schedule import Period, parse_local
from web.language import translate
from web.representation import iso_time

if TYPE_CHECKING:
    from web.services import Services

SENTENCES = {
    Kind.MISSING: "{call_id} leg {leg}: 行がありません。ダイヤルされ、Asterisk では {theirs} に終わっています",
    Kind.EXTRA: "{call_id} leg {leg}: {ours} からの行がありますが、Asterisk にはそのチャネルの記録がありません",
    Kind.DIFFERENT: "{call_id} leg {leg}: {field} が違います。行は {ours}、Asterisk は {theirs}",
}
NOTHING = "記録なし"


def run(
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="この日時から（例: 2026-11-21 09:00）")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="この日時の前まで（24:00 も可）")],
    node: Annotated[str, typer.Option(help="このマシンの Asterisk の電話ノードの名前（serve の --node）")] = "main",
    as_json: AsJson = False,
) -> None:
    """この期間に受け付けた発信の行を、Asterisk 自身の記録（CEL）と照合する。相違があれば終了コード 1。

    通話中の発信と、終わって1分たたない発信は対象にしない。
    """

    async def work(services: "Services") -> bool:
        zone = services.settings.zone
        since, until = parse_local(start, zone, "from"), parse_local(end, zone, "to")
        Period(since, until)  # refuses one that ends before it begins
        return await _reconcile(services, since, until, node, as_json=as_json)

    if not with_services(work):
        raise typer.Exit(1)


async def _reconcile(services: "Services", since: datetime, until: datetime, node: str, *, as_json: bool) -> bool:
    """Print the findings as they are found, and the sum; whether there were none."""
    from ari_app.main import open_reconciliation  # takes a second to load: not for `--help`

    zone = services.settings.zone
    items: list[dict[str, Any]] = []
    count = legs = uncovered = 0
    async for compared in open_reconciliation(services, node).placed(since, until):
        legs, uncovered, count = legs + compared.legs, uncovered + compared.uncovered, count + len(compared.findings)
        for finding in compared.findings:
            if as_json:
                items.append(_facts(finding, zone))
            else:
                _say(finding, zone)
    if as_json:
        print_json({"items": items, "next": None, "legs": legs, "uncovered": uncovered})
        return not count
    if uncovered:
        say(
            "CEL ファイルの始まりより前の発信 {count}件は照合していません",
            count=uncovered,
        )
    if count:
        say("{legs}レグを照合し、{count}件の相違があります", legs=legs, count=count)
    else:
        say("{legs}レグを照合し、相違はありません", legs=legs)
    return not count


def _facts(finding: Finding, zone: ZoneInfo) -> dict[str, Any]:
    facts = asdict(finding)
    return {name: iso_time(fact, zone) if isinstance(fact, datetime) else fact for name, fact in facts.items()}


def _say(finding: Finding, zone: ZoneInfo) -> None:
    facts = _facts(finding, zone)
    nothing = translate(NOTHING, language())
    say(SENTENCES[finding.kind], **{name: nothing if fact is None else fact for name, fact in facts.items()})
