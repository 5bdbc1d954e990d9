"""Every command explains itself, in both languages, and speaks to programs too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from ari_app import cli, doctor
from ari_app.cli import app
from ari_app.cli.translation import help_texts
from web.language import Language, translate

from .conftest import Kakehashi

JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
PLACE = re.compile(r"\{(\w+)\}")
# These run until they are stopped, talk to a terminal, or do one thing and have nothing to tell.
NO_JSON = {"serve", "demo", "asterisk cli", "carrier call", "carrier press", "carrier hangup"}


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by what is typed."""
    children = getattr(command, "commands", None)
    if children is None:
        yield " ".join(path), command
    for name, child in (children or {}).items():
        yield from commands(child, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


def spoken_texts() -> set[str]:
    """What commands and the doctor say: the Japanese string literals of their code that are not help."""
    texts = set()
    for package in (cli, doctor):
        for file in Path(str(package.__file__)).parent.glob("*.py"):
            tree = ast.parse(file.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                    "say",
                    "translate",
                    "_told",
                    "Finding",
                ):
                    texts |= {arg.value for arg in node.args if _japanese(arg)}
                if isinstance(node, ast.Assign) and _japanese(node.value) and file.parent.name == "doctor":
                    texts.add(node.value.value)
    return texts


def _japanese(node: Any) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(JAPANESE.search(node.value))


@pytest.mark.parametrize("path", COMMANDS)
def test_command_has_help_and_json(kakehashi: Kakehashi, path: str) -> None:
    shown = kakehashi(*path.split(), "--help")
    assert shown.code == 0
    assert (
        COMMANDS[path].help.splitlines()[0] in shown.out.replace("\n  ", " ") or COMMANDS[path].help[:20] in shown.out
    )
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert ("--json" in options) != (path in NO_JSON)


def test_contract_is_kept() -> None:
    """The commands that operators and scripts rely on."""
    assert set(COMMANDS) >= {
        "serve",
        "demo",
        "asterisk up",
        "asterisk down",
        "asterisk status",
        "asterisk cli",
        "carrier up",
        "carrier down",
        "db upgrade",
        "db check",
        "db seed-demo",
        "account add",
        "account list",
        "account set",
        "account import",
        "number add",
        "number list",
        "prefix add",
        "prefix list",
        "callcenter add",
        "callcenter list",
        "grant",
        "token create",
        "call",
        "calls list",
        "calls hangup",
        "cdr list",
        "cdr reconcile",
        "doctor",
        "config check",
        "config show",
    }


@pytest.mark.parametrize("text", sorted({*help_texts(typer.main.get_command(app)), *spoken_texts()}))
def test_text_has_its_english(text: str) -> None:
    english = translate(text, Language.EN)
    assert not JAPANESE.search(english), english
    assert set(PLACE.findall(english)) == set(PLACE.findall(text))


def test_help_is_in_the_users_language(kakehashi: Kakehashi, monkeypatch: pytest.MonkeyPatch) -> None:
    assert JAPANESE.search(kakehashi("account", "add", "--help").out)
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert not JAPANESE.search(kakehashi("account", "add", "--help").out)
