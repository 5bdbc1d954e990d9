"""The simulated carrier's table is told in three places: the dialplan, --help and the docs. They agree."""

import re

from ari_app.asterisk.carrier import BEHAVIOURS
from ari_app.asterisk.rootfs import DOCKER_DIR, PROJECT


def test_the_dialplan_has_exactly_the_listed_numbers() -> None:
    dialplan = (DOCKER_DIR / "carrier/extensions.conf").read_text()
    (behaviour,) = re.findall(r"^\[behaviour\]\n(.*?)^\[", dialplan, re.MULTILINE | re.DOTALL)
    assert re.findall(r"^exten => (\d\d),1,", behaviour, re.MULTILINE) == list(BEHAVIOURS)


def test_the_docs_have_exactly_the_listed_numbers() -> None:
    docs = (PROJECT / "docs/carrier.md").read_text()
    assert re.findall(r"^\| (\d\d) \|", docs, re.MULTILINE) == list(BEHAVIOURS)
