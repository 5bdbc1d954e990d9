"""`kakehashi serve`: the application itself."""

from typing import Annotated

import typer
import uvloop

from ari_app.cli.output import say
from ari_app.config import Part, load_settings
from ari_app.logging import Format, Level, configure


def run(
    roles: Annotated[
        list[Part] | None, typer.Option("--role", help="このプロセスの役割（繰り返し可、既定: all）")
    ] = None,
    node: Annotated[str, typer.Option(help="電話ノードの名前。Asterisk ごとに一つ")] = "main",
    log_format: Annotated[Format, typer.Option(help="ログの形式（標準エラー出力）")] = Format.AUTO,
    log_level: Annotated[Level, typer.Option(help="ログに残す最低の重要度")] = Level.INFO,
) -> None:
    """アプリケーションを動かす。SIGTERM か Ctrl-C で終了し、通話中の会話はそのまま残す。"""
    from ari_app.main import serve  # takes a second to load: not for `--help`

    settings, parts = load_settings(), roles or [Part.ALL]

    def announce() -> None:
        if Part.ALL in parts or Part.WEB in parts:
            say("管理画面: {url}", url=settings.base_url)

    configure(log_format, log_level)
    uvloop.run(serve(settings, parts, node, announce))
