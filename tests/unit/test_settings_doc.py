"""docs/settings.md is what `make docs` writes: it names every setting as it is."""

from pathlib import Path

from typer.testing import CliRunner

from ari_app.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_settings_page_is_current() -> None:
    written = CliRunner().invoke(app, ["config", "describe", "--markdown"]).stdout
    assert PAGE.read_text() == written, "run `make docs`"
