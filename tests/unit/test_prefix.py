"""Prefix dialling プレフィックス発信: which digits may be a prefix, and how one is told from a number."""

import pytest

from ari_app.domain.prefix import Prefixes, check_prefix
from ari_app.errors import PrefixFormatError


@pytest.mark.parametrize("digits", ["2", "9", "11", "19", "23", "99", "85"])
def test_a_good_prefix(digits: str) -> None:
    assert check_prefix(digits) == digits


# One or two digits, no 0, not the beginning of 184 or 186.
@pytest.mark.parametrize("digits", ["", "0", "1", "18", "10", "01", "123", "a", "９", "*", "-1", "9\n"])
def test_a_bad_prefix(digits: str) -> None:
    with pytest.raises(PrefixFormatError) as refusal:
        check_prefix(digits)
    assert refusal.value.field == "digits"


@pytest.mark.parametrize(
    ("typed", "split"),
    [
        ("90312345678", ("A", "0312345678")),
        ("9184031234", ("A", "184031234")),
        ("9186031234", ("A", "186031234")),
        ("210312345678", ("B", "0312345678")),
        ("20312345678", ("C", "0312345678")),
        ("2184031234", ("C", "184031234")),
        ("0312345678", (None, "0312345678")),
        ("9912345678", (None, "9912345678")),
        ("9", (None, "9")),
        ("30312345678", (None, "30312345678")),
        ("", (None, "")),
    ],
)
def test_a_prefix_is_what_stands_before_a_number(typed: str, split: tuple[str | None, str]) -> None:
    """A national number starts with 0 and no prefix does; of two that fit, the longer counts."""
    assert Prefixes({"9": "A", "21": "B", "2": "C"}).split(typed) == split
