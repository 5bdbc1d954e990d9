"""`kakehashi grant` and `kakehashi token`: who may see what, and programs that act for an account."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ari_app.cli.output import AsJson, print_json, say
from ari_app.cli.services import with_services
from ari_app.domain.numbers import normalise
from ari_app.domain.permissions import Action
from ari_app.domain.resources import Level, ResourceKind
from web.credentials import fingerprint, new_token

if TYPE_CHECKING:
    from web.services import Services

token_app = typer.Typer(help="API トークンの発行。", no_args_is_help=True, rich_markup_mode=None)


def _resource(text: str) -> tuple[ResourceKind, str]:
    """Read `KIND:NAME`."""
    kind, colon, name = text.partition(":")
    if not (colon and name and kind in list(ResourceKind)):
        raise typer.BadParameter(f"number:TEL | callcenter:NAME | campaign:NAME: {text}")
    return ResourceKind(kind), name


def grant(
    login: Annotated[str, typer.Argument(metavar="LOGIN", help="スーパバイザのログインID")],
    resource: Annotated[
        Any,
        typer.Argument(
            metavar="RESOURCE", parser=_resource, help="number:電話番号、callcenter:名前、campaign:名前 のいずれか"
        ),
    ],
    level: Annotated[
        Level, typer.Argument(help="参照 view、編集 edit、削除 delete（後のものは前のものを含む）")
    ] = Level.VIEW,
    as_json: AsJson = False,
) -> None:
    """リソースの権限を与える。すでにあれば、そのレベルを変える。"""
    kind, name = resource

    async def work(services: "Services") -> str:
        target = normalise(name, "resource") if kind is ResourceKind.NUMBER else name
        await services.accounts.grant(login, kind, target, level)
        return target

    target = with_services(work)
    if as_json:
        print_json({"login": login, "kind": kind, "resource": target, "level": level})
    else:
        say(
            "{login} に {resource} の権限（{level}）を与えました", login=login, resource=f"{kind}:{target}", level=level
        )


@token_app.command()
def create(
    account: Annotated[str, typer.Option(metavar="LOGIN", help="このアカウントとして働く")],
    scopes: Annotated[
        list[Action] | None, typer.Option("--scope", help="許す操作（繰り返し可、既定: ロールに許されたすべて）")
    ] = None,
    name: Annotated[str, typer.Option(help="名前（用途など）")] = "",
    days: Annotated[int | None, typer.Option(min=1, help="有効な日数（既定: 無期限）")] = None,
    as_json: AsJson = False,
) -> None:
    """API トークンを発行する。表示は一度だけで、保存されるのはハッシュのみ。"""
    secret = new_token()

    async def work(services: "Services") -> dict[str, Any]:
        who, now = await services.accounts.by_login(account), services.clock.now()
        token = await services.access.add_token(
            fingerprint(secret),
            who.id,
            name,
            frozenset(scopes) if scopes else None,
            now,
            now + timedelta(days=days) if days else None,
        )
        return {"id": token.id, "account": who.login, "scopes": token.scopes, "expires_at": token.expires_at}

    facts = with_services(work)
    if as_json:
        print_json({"token": secret} | facts)
    else:
        say("{token}", token=secret)
