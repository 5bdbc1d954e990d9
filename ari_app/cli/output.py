"""What commands print: facts and tables for people, one JSON document for machines, errors on stderr."""

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from ari_app.errors import KakehashiError
from web.language import Language, error_text, translate

MASK = "********"
GAP = "  "

AsJson = Annotated[bool, typer.Option("--json", help="JSON で出力する")]


def language() -> Language:
    """The user's language, from the locale of the environment (POSIX: LC_ALL, LC_MESSAGES, LANG)."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return Language.JA if value.startswith("ja") else Language.EN
    return Language.EN


def say(text: str, /, **facts: Any) -> None:
    """Print a sentence in the user's language."""
    typer.echo(translate(text, language(), **facts))


def show_facts(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one object."""
    if as_json:
        print_json(facts)
        return
    width = max((_width(key) for key in facts), default=0)
    for key, value in facts.items():
        typer.echo(f"{_pad(key, width)}{GAP}{_cell(value)}".rstrip())


def show_list(
    items: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, following: str | None = None
) -> None:
    """Print a list: `columns` of it as a table, or everything as {"items", "next"}, the shape of the API's lists."""
    items = list(items)
    if as_json:
        print_json({"items": items, "next": following})
    else:
        typer.echo(table([[item[column] for column in columns] for item in items], columns))


def table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> str:
    """Rows under a head, columns aligned; full-width characters take two places."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(head))]
    lines = [GAP.join(map(_pad, row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], GAP.join("-" * width for width in widths), *lines[1:]])


def print_json(document: Any) -> None:
    """Print one JSON document on a line of its own."""
    typer.echo(json.dumps(document, default=_encode, ensure_ascii=False))


def print_error(error: KakehashiError, *, as_json: bool) -> None:
    """Print an error on stderr: its field and text, or {"error": {"code", "message", "field", …}}."""
    text = error_text(error, language())
    rows = error.facts.get("rows", ())
    if as_json:
        facts = {"code": error.code, "message": text, "field": error.field} | ({"rows": rows} if rows else {})
        print(json.dumps({"error": facts}, ensure_ascii=False), file=sys.stderr)  # noqa: T201
        return
    typer.echo(_about(error.field, text), err=True)
    for row in rows:
        typer.echo(f"  {row['line']}: {_about(row['field'], row['message'])}", err=True)


def _about(field: str | None, text: str) -> str:
    return f"{field}: {text}" if field else text


def _encode(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, frozenset | set | tuple):
        return sorted(value)
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Path):
        return str(value)
    raise TypeError(type(value).__name__)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, value))
    return str(value)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
