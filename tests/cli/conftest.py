"""The command line, run in this process on an installation of its own."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from ari_app.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as a program reads it."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error it told a program."""
        error: dict[str, Any] = json.loads(self.err)["error"]
        return error


Kakehashi = Callable[..., Ran]


@pytest.fixture
def installation(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty installation's STATE_DIR; its language is Japanese, and there is no Asterisk."""
    for name in ("LC_ALL", "LC_MESSAGES", "KAKEHASHI_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    monkeypatch.setenv("KAKEHASHI_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("KAKEHASHI_DATABASE_URL", sqlite_url)
    return tmp_path


@pytest.fixture
def kakehashi(
    installation: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[Kakehashi]:
    """Run `kakehashi ARGUMENTS…`; `stdin` is typed into it."""
    handlers, level = logging.root.handlers[:], logging.root.level

    def run(*arguments: str | Path, stdin: str = "") -> Ran:
        typed = tmp_path / "stdin"
        typed.write_text(stdin)
        monkeypatch.setattr(sys, "argv", ["kakehashi", *map(str, arguments)])
        with typed.open() as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            with pytest.raises(SystemExit) as ended:
                main()
        shown = capsys.readouterr()
        return Ran(int(ended.value.code or 0), shown.out, shown.err)

    yield run
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()
