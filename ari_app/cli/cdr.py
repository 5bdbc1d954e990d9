"""`kakehashi cdr`: the call records."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from ari_app.cli.output import GAP, AsJson, print_json, show_list
from ari_app.cli.services import with_services
from ari_app.domain.permissions import Reach
from ari_app.domain.schedule import Period, parse_local
from web.representation import represent_cdr

if TYPE_CHECKING:
    from web.services import Services

POLL_S = 0.5
WATCHED_ROWS = 1000
COLUMNS = ("start", "leg", "src", "dst", "disposition", "duration", "billsec", "ended_by", "cause_text", "call_id")

app = typer.Typer(help="発着信履歴。", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_rows(
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="この日時から（例: 2026-11-21 09:00）")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="この日時の前まで（24:00 も可）")] = None,
    src: Annotated[str | None, typer.Option(help="通知した番号（前方一致）")] = None,
    dst: Annotated[str | None, typer.Option(help="ダイヤルした番号（前方一致）")] = None,
    call_id: Annotated[str | None, typer.Option(help="発信の ID")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="件数")] = 20,
    cursor: Annotated[str | None, typer.Option(help="続きを示す、前の JSON の next")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="新しい行を待って表示し続ける")] = False,
    as_json: AsJson = False,
) -> None:
    """新しい順に表示する。--follow では古い順に、JSON は1行1件。"""
    from db.cdrs import CdrSearch  # takes a second to load: not for `--help`
    from db.paging import Cursor
    from db.reach import RowReach

    async def work(services: "Services") -> None:
        zone = services.settings.zone
        if follow:
            await _follow(services, limit, as_json=as_json)
            return
        if not any((start, end, src, dst, call_id, cursor)):
            rows = await services.cdrs.latest(limit)
            show_list((represent_cdr(row, zone) for row in rows), COLUMNS, as_json=as_json)
            return
        period = Period(
            parse_local(start, zone, "from") if start else None,
            parse_local(end, zone, "to") if end else None,
        )
        page = await services.cdrs.search(
            CdrSearch(period, src, dst, call_id),
            RowReach(Reach.ALL, 0),
            limit=limit,
            cursor=Cursor.decode(cursor) if cursor else None,
        )
        following = page.next.encode() if page.next else None
        show_list((represent_cdr(row, zone) for row in page.items), COLUMNS, as_json=as_json, following=following)

    with_services(work)


async def _follow(services: "Services", limit: int, *, as_json: bool) -> None:
    """Print the last `limit` rows and then each as it is written, for ever.

    A row may become visible after one with a higher id, so a window is watched, not the highest id.
    """
    window = await services.cdrs.latest(WATCHED_ROWS)
    fresh = window[:limit]
    while True:
        for row in reversed(fresh):
            facts = represent_cdr(row, services.settings.zone)
            if as_json:
                print_json(facts)
            else:
                typer.echo(GAP.join(str(facts[column]) for column in COLUMNS))
        await asyncio.sleep(POLL_S)
        seen = {(row.call_id, row.leg) for row in window}
        window = await services.cdrs.latest(WATCHED_ROWS)
        fresh = [row for row in window if (row.call_id, row.leg) not in seen]
