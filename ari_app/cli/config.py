"""`kakehashi config`: the settings in force, and what each is for."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from ari_app.cli.output import MASK, AsJson, print_json, say, show_facts
from ari_app.config import Settings, load_settings

PREFIX = "KAKEHASHI_"
# Read before the settings, or by the tools beside them.
OTHER_KEYS = frozenset({"KAKEHASHI_CONFIG", "KAKEHASHI_ROOTFS"})

app = typer.Typer(help="設定の確認。", no_args_is_help=True, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Key:
    """One setting as documented: its name in the environment, its default in words, what it is for."""

    name: str
    default: str
    description: str


@app.command()
def check(as_json: AsJson = False) -> None:
    """設定を検査する。誤りがあれば、そのキーを示して終了コード 1。"""
    load_settings()
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OTHER_KEYS
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if as_json:
        print_json({"ok": True, "unknown": unknown})
        return
    say("設定は正しい形式です")
    if unknown:
        say("使われないキー（綴りの誤り？）: {keys}", keys=", ".join(unknown))


@app.command()
def show(
    reveal: Annotated[bool, typer.Option("--reveal", help="パスワードなども表示する")] = False, as_json: AsJson = False
) -> None:
    """有効な設定を表示する。パスワードなどは --reveal がなければ伏せる。"""
    settings = load_settings()
    show_facts({name: _shown(getattr(settings, name), reveal) for name in Settings.model_fields}, as_json=as_json)


@app.command()
def describe(
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown の表で出力する")] = False,
    as_json: AsJson = False,
) -> None:
    """すべてのキーと既定値、意味を表示する。"""
    keys = [_key(name, field) for name, field in Settings.model_fields.items()]
    if as_json:
        print_json({"items": keys, "next": None})
    elif markdown:
        typer.echo(settings_page(keys), nl=False)
    else:
        for key in keys:
            typer.echo(f"{key.name} [{key.default}]\n    {key.description}")


def settings_page(keys: list[Key]) -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Set in the environment, or in a TOML file named by `KAKEHASHI_CONFIG` with the same keys in lower case and",
        "without `KAKEHASHI_`; the environment wins. Read once at start. `kakehashi config show` prints what is in",
        "force, `kakehashi config check` finds what is wrong.",
        "",
        "| Key | Default | Meaning |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{key.name}` | {_code(key.default)} | {key.description.replace('|', chr(92) + '|')} |" for key in keys
    ]
    return "\n".join(lines) + "\n"


def _key(name: str, field: FieldInfo) -> Key:
    return Key(f"{PREFIX}{name.upper()}", _default(field), field.description or "")


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, StrEnum):
        return value.value
    return "" if value is None else str(value)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _shown(value: Any, reveal: bool) -> Any:
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return secret if reveal or not secret else MASK
    if isinstance(value, str) and not reveal:
        return _masked_url(value)
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def _masked_url(text: str) -> str:
    """A URL without its password."""
    parts = urlsplit(text)
    if parts.password is None:
        return text
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:{MASK}{at}{host}"))
