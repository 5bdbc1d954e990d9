"""`kakehashi serve`: the application itself."""

import errno
import socket
from typing import Annotated

import typer
import uvloop

from ari_app.cli.output import say
from ari_app.config import Part, Settings, load_settings
from ari_app.errors import PortInUseError
from ari_app.logging import Format, Level, configure


def run(
    roles: Annotated[list[Part] | None, typer.Option("--role", help="このプロセスの役割（繰り返し可、既定: all）")] = None,
    node: Annotated[str, typer.Option(help="電話ノードの名前。Asterisk ごとに一つ")] = "main",
    log_format: Annotated[Format, typer.Option(help="ログの形式（標準エラー出力）")] = Format.AUTO,
    log_level: Annotated[Level, typer.Option(help="ログに残す最低の重要度")] = Level.INFO,
) -> None:
    """アプリケーションを動かす。SIGTERM か Ctrl-C で終了し、通話中の会話はそのまま残す。"""
    settings = load_settings()
    configure(log_format, log_level)
    serve_until_stopped(settings, roles or [Part.ALL], node)


def serve_until_stopped(settings: Settings, parts: list[Part], node: str) -> None:
    """Serve, and print the panel's URL once it is there. Raises PortInUseError."""
    from ari_app.main import serve  # a second to load, which `--help` need not pay

    def ready() -> None:
        if Part.ALL in parts or Part.WEB in parts:
            say("管理画面: {url}", url=settings.base_url)

    try:
        uvloop.run(serve(settings, parts, node, ready))
    except* OSError as group:
        if isinstance(group.exceptions[0], OSError) and group.exceptions[0].errno == errno.EADDRINUSE:
            raise PortInUseError(address=settings.http_bind) from None
        raise
