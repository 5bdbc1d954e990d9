"""What the browser is given: small, and the third-party files are what the lock says."""

import gzip
import json
import re

from web.rendering import STATIC
from web.vendor import LOCK, differences

STYLESHEET_BYTES = 15_000


def test_vendored_files_are_as_locked() -> None:
    lock = json.loads(LOCK.read_text())
    assert differences(lock) == []
    kept = {file.name for file in (STATIC / "vendor").iterdir()} - {LOCK.name}
    named = {wanted["to"].rsplit("/", 1)[-1] for package in lock["packages"] for wanted in package["files"].values()}
    named |= {package["sprite"]["to"].rsplit("/", 1)[-1] for package in lock["packages"] if "sprite" in package}
    assert kept <= named


def test_every_icon_of_the_sprite_is_used_and_there() -> None:
    used = set()
    for file in [*(STATIC.parent / "templates").rglob("*.html"), *STATIC.parent.glob("*.py")]:
        used |= set(re.findall(r'"([a-z]+(?:-[a-z0-9]+)*)"', file.read_text()))
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "vendor/lucide.svg").read_text()))
    assert sprite <= used
    for file in (STATIC.parent / "templates").rglob("*.html"):
        assert set(re.findall(r'icon\("([^"]+)"\)', file.read_text())) <= sprite


def test_one_small_stylesheet_that_old_phones_understand() -> None:
    style = (STATIC / "app.css").read_text()
    assert len(gzip.compress(style.encode())) <= STYLESHEET_BYTES
    assert "oklch" not in style
    assert "color-mix" not in style
