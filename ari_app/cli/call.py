"""`kakehashi call` and `kakehashi calls`: place a callback, follow it, see and end what is going on."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ari_app.cli.output import AsJson, language, print_json, say, show_list
from ari_app.cli.services import with_services
from ari_app.domain.callback import Callback, State
from ari_app.domain.ending import Party, Reason
from ari_app.domain.permissions import Action, Principal
from ari_app.errors import TelephonyUnavailableError
from web.language import ending_text, state_text
from web.representation import represent_callback

if TYPE_CHECKING:
    from web.services import Services

POLL_S = 0.1
HANGUP_LIMIT_S = 10
COLUMNS = ("id", "state", "login", "caller_id", "agent_number", "customer_number", "created_at", "node")

app = typer.Typer(help="進行中の発信の一覧と切断。", no_args_is_help=True, rich_markup_mode=None)


def place(
    account: Annotated[str, typer.Option(metavar="LOGIN", help="発信するアカウント")],
    to: Annotated[str, typer.Option(metavar="NUMBER", help="相手の電話番号（プレフィックス番号、184・186 も可）")],
    caller_id: Annotated[str, typer.Option(metavar="NUMBER", help="通知番号")],
    wait: Annotated[
        bool, typer.Option("--wait", help="終わるまで経過を表示し、通話が成立していれば終了コード 0")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """コールバック発信を実行する。発信は動作中の serve が行う。"""

    async def work(services: "Services") -> Callback:
        who = await services.accounts.by_login(account)
        Principal(who).require(Action.PLACE_CALLBACK)
        placed = await services.desk.place(who, caller_id=caller_id, customer_number=to)
        call = await services.callbacks.get(placed.callback_id)
        if not as_json:
            say("発信 {id}", id=call.id)
        if wait:
            async for now in follow(services, call):
                call = now
                if not as_json:
                    typer.echo(step(call, services))
        if as_json:
            print_json(represent_callback(call, language(), services.settings.zone))
        return call

    call = with_services(work)
    if wait and call.reason is not Reason.COMPLETED:
        raise typer.Exit(1)


@app.command("list")
def list_open(as_json: AsJson = False) -> None:
    """進行中の発信を表示する。"""

    async def work(services: "Services") -> list[dict[str, Any]]:
        zone = services.settings.zone
        return [
            represent_callback(call, language(), zone) | {"node": call.node}
            for call in await services.callbacks.all_open()
        ]

    show_list(with_services(work), COLUMNS, as_json=as_json)


@app.command()
def hangup(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="発信の ID（calls list で分かる）")],
    as_json: AsJson = False,
) -> None:
    """発信を切断する（システム管理者による切断として記録される）。"""

    async def work(services: "Services") -> dict[str, Any]:
        call = await services.callbacks.get(call_id)
        await services.desk.cancel(call, Party.ADMIN)
        try:
            async with asyncio.timeout(HANGUP_LIMIT_S):
                async for now in follow(services, call):
                    call = now
        except TimeoutError:
            raise TelephonyUnavailableError from None
        return represent_callback(call, language(), services.settings.zone)

    call = with_services(work)
    if as_json:
        print_json(call)
    else:
        say("切断しました: {reason}", reason=call["reason_text"])


async def follow(services: "Services", call: Callback) -> AsyncIterator[Callback]:
    """The callback as it stands now, and again at each change of state, until it has ended."""
    seen = None
    while True:
        if call.state is not seen:
            seen = call.state
            yield call
        if call.state is State.ENDED:
            return
        await asyncio.sleep(POLL_S)
        call = await services.callbacks.get(call.id)


def step(call: Callback, services: "Services") -> str:
    """One line: when, and what happens now."""
    moment = {
        State.ACCEPTED: call.created_at,
        State.RINGING_AGENT: call.ringing_agent_at,
        State.AGENT_ANSWERED: call.agent_answered_at,
        State.RINGING_CUSTOMER: call.ringing_customer_at,
        State.TALKING: call.talking_at,
        State.ENDED: call.ended_at,
    }[call.state]
    words = state_text(call.state, language())
    if ending := ending_text(call, language()):
        words = f"{words}: {ending}"
    at = (moment or call.created_at).astimezone(services.settings.zone)
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03}  {words}"
