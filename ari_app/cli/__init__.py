"""`kakehashi …`: the commands.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage. An error is told on stderr in the language of the locale,
with --json as {"error": {"code", "message", "field"}}.
"""

import sys

import typer

from ari_app.cli import (
    access,
    account,
    asterisk,
    call,
    callcenter,
    carrier,
    cdr,
    config,
    database,
    demo,
    diagnosis,
    number,
    reconciliation,
    serve,
)
from ari_app.cli.output import language, print_error
from ari_app.cli.translation import translate_help
from ari_app.errors import KakehashiError
from ari_app.logging import Level, configure

app = typer.Typer(
    name="kakehashi",
    help="Kakehashi：どの電話機も会社の電話にする、Asterisk の上のコールバックとアウトバウンド。",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.run)
app.command("demo")(demo.run)
app.add_typer(asterisk.app, name="asterisk")
app.add_typer(carrier.app, name="carrier")
app.add_typer(database.app, name="db")
app.add_typer(account.app, name="account")
app.add_typer(number.app, name="number")
app.add_typer(number.prefix_app, name="prefix")
app.add_typer(callcenter.app, name="callcenter")
app.command("grant")(access.grant)
app.add_typer(access.token_app, name="token")
app.command("call")(call.place)
app.add_typer(call.app, name="calls")
cdr.app.command("reconcile")(reconciliation.run)
app.add_typer(cdr.app, name="cdr")
app.command("doctor")(diagnosis.run)
app.add_typer(config.app, name="config")


def main() -> None:
    """The entry point."""
    configure(level=Level.ERROR)
    command = typer.main.get_command(app)
    translate_help(command, language())
    try:
        command(prog_name="kakehashi")
    except Exception as error:
        told = _sole(error)
        if not isinstance(told, KakehashiError):
            raise
        print_error(told, as_json="--json" in sys.argv)
        sys.exit(1)


def _sole(error: BaseException) -> BaseException:
    """The one error inside a task group's wrapping."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
