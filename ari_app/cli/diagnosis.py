"""`kakehashi doctor`: the whole installation examined."""

import asyncio
from typing import Any

import typer

from ari_app.cli.output import AsJson, language, print_json, say
from ari_app.config import load_settings
from ari_app.errors import ConfigurationError
from web.language import error_text, translate

MARKS = {True: "OK", False: "NG"}


def run(as_json: AsJson = False) -> None:
    """設置の全体を検査し、問題ごとに直し方を示す。一つでも問題があれば終了コード 1。"""
    checks = _checks()
    if as_json:
        print_json({"ok": all(check["ok"] for check in checks), "checks": checks})
    else:
        _print(checks)
    if not all(check["ok"] for check in checks):
        raise typer.Exit(1)


def _checks() -> list[dict[str, Any]]:
    """Every check as {"name", "ok", "detail", "fix"}, in the user's language; `fix` is null where nothing is wrong."""
    from ari_app.doctor import examine  # takes a second to load: not for `--help`

    try:
        settings = load_settings()
    except ConfigurationError as error:
        fix = translate("設定を直してください（kakehashi config describe）", language())
        return [{"name": "settings", "ok": False, "detail": error_text(error, language()), "fix": fix}]
    return [
        {
            "name": finding.name,
            "ok": finding.ok,
            "detail": translate(finding.detail, language(), **finding.facts),
            "fix": None if finding.ok else translate(finding.fix, language(), **finding.facts),
        }
        for finding in asyncio.run(examine(settings))
    ]


def _print(checks: list[dict[str, Any]]) -> None:
    for check in checks:
        typer.echo(f"{MARKS[check['ok']]}  {check['name']:18} {check['detail']}")
        if not check["ok"]:
            typer.echo(f"    → {check['fix']}")
    failed = sum(not check["ok"] for check in checks)
    if failed:
        say("{count}件の問題があります", count=failed)
    else:
        say("問題はありません")
