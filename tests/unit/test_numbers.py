"""Phone numbers: what a user may type, what is dialled, what is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ari_app.domain.numbers import (
    Destination,
    TollPolicy,
    check_company_number,
    format_national,
    normalise,
    parse_destination,
)
from ari_app.domain.prefix import Prefixes
from ari_app.errors import (
    DestinationNotAllowedError,
    EmergencyNumberError,
    InvalidInputError,
    NumberCharactersError,
    NumberLengthError,
    NumberMissingError,
    NumberNotNationalError,
)

ALLOWED = tuple(f"0{digit}" for digit in range(1, 10))
DEFAULT = TollPolicy(ALLOWED, 9, 30)
PREFIXES = Prefixes({"9": "0312345678", "21": "0355556666", "2": "0366667777"})


# Full-width digits and hyphens are accepted.
@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("09012345678", "09012345678"),
        ("090-1234-5678", "09012345678"),
        ("０９０－１２３４－５６７８", "09012345678"),
        ("090ー1234ー5678", "09012345678"),
        ("090−1234‐5678", "09012345678"),
        ("(03) 1234.5678", "0312345678"),
        (" 03　1234　5678 ", "0312345678"),
        ("+81 90 1234 5678", "09012345678"),
        ("＋８１９０１２３４５６７８", "09012345678"),
        ("+81 (0)3 1234 5678", "0312345678"),
        ("110", "110"),
    ],
)
def test_what_may_be_typed(typed: str, digits: str) -> None:
    assert normalise(typed, "customer_number") == digits


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("", NumberMissingError),
        ("  ", NumberMissingError),
        ("---", NumberMissingError),
        ("0901234567a", NumberCharactersError),
        ("０９０一二三四", NumberCharactersError),
        ("090;1234", NumberCharactersError),
        ("090@example", NumberCharactersError),
        ("09012345678\r\nX: 1", NumberCharactersError),
        ("090\t12345678", NumberCharactersError),
        ("090\u200b12345678", NumberCharactersError),
        ("090\x0012345678", NumberCharactersError),
        ("٠٩٠١٢٣٤٥٦٧٨", NumberCharactersError),
        ("0" * 101, NumberCharactersError),
        ("090#1", NumberCharactersError),
        ("++8190", NumberCharactersError),
        ("+1 212 555 0100", DestinationNotAllowedError),
        ("+82 2 1234 5678", DestinationNotAllowedError),
    ],
)
def test_what_may_not_be_typed(typed: str, error: type[InvalidInputError]) -> None:
    """Control characters above all: CR LF in a number would write SIP headers."""
    with pytest.raises(error) as refusal:
        normalise(typed, "customer_number")
    assert refusal.value.field == "customer_number"


@given(st.text(max_size=120))
@example("+81\n")
def test_nothing_but_digits_comes_out(text: str) -> None:
    """Whatever is typed: digits, or a refusal that names the field."""
    try:
        number = normalise(text, "x")
    except InvalidInputError as error:
        assert error.field == "x"
    else:
        assert number.isascii()
        assert number.isdigit()


@pytest.mark.parametrize(
    ("number", "error"),
    [
        ("09012345678", None),
        ("031234567", None),
        ("0" + "9" * 29, None),
        ("03123456", NumberLengthError),
        ("0" + "9" * 30, NumberLengthError),
        ("912345678", NumberNotNationalError),
        ("110", EmergencyNumberError),
        ("118", EmergencyNumberError),
        ("119", EmergencyNumberError),
        ("0033123456789", DestinationNotAllowedError),
        ("0101212555010", DestinationNotAllowedError),
        ("0570000000", DestinationNotAllowedError),
        ("0990123456", DestinationNotAllowedError),
        ("02012345678", DestinationNotAllowedError),
        ("0180123456", DestinationNotAllowedError),
        ("0120000000", None),
        ("05012345678", None),
        ("1234abcde", NumberCharactersError),
        ("０９０１２３４５６７８", NumberCharactersError),
    ],
)
def test_the_default_toll_policy(number: str, error: type[InvalidInputError] | None) -> None:
    """National numbers are dialled; what costs extra, leaves the country or is an emergency is not."""
    if error is None:
        DEFAULT.check(number, "f")
        return
    with pytest.raises(error) as refusal:
        DEFAULT.check(number, "f")
    assert refusal.value.field == "f"


@pytest.mark.parametrize(
    ("allowed", "number", "dialled"),
    [
        (("0570",), "0570000000", True),
        (("05",), "0570000000", False),
        (("05", "057"), "0570000000", False),
        (("010",), "0101212555010", True),
        (("010",), "09012345678", False),
        (("03", "06"), "0312345678", True),
        (("03", "06"), "09012345678", False),
        ((), "0312345678", False),
        (("090123",), "0901239999", True),
        (("0",), "0312345678", True),
        (("0",), "0990123456", False),
    ],
)
def test_the_longest_prefix_decides(allowed: tuple[str, ...], number: str, dialled: bool) -> None:
    """An expensive range is dialled only where it is allowed by name."""
    policy = TollPolicy(allowed, 9, 30)
    if dialled:
        policy.check(number, "f")
    else:
        with pytest.raises(DestinationNotAllowedError):
            policy.check(number, "f")


# A prefix, and 184 / 186 of the Japanese network
@pytest.mark.parametrize(
    ("typed", "destination"),
    [
        ("09012345678", Destination("09012345678", None, None)),
        ("909012345678", Destination("09012345678", "0312345678", None)),
        ("9-090-1234-5678", Destination("09012345678", "0312345678", None)),
        ("2109012345678", Destination("09012345678", "0355556666", None)),
        ("209012345678", Destination("09012345678", "0366667777", None)),
        ("18409012345678", Destination("09012345678", None, False)),
        ("18609012345678", Destination("09012345678", None, True)),
        ("184909012345678", Destination("09012345678", "0312345678", False)),
        ("918409012345678", Destination("09012345678", "0312345678", False)),
        ("918609012345678", Destination("09012345678", "0312345678", True)),
    ],
)
def test_a_typed_destination(typed: str, destination: Destination) -> None:
    assert parse_destination(typed, PREFIXES, DEFAULT, "customer_number") == destination


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("184", NumberLengthError),
        ("184110", EmergencyNumberError),
        ("9110", NumberLengthError),
        ("18418409012345678", NumberNotNationalError),
        ("18491840312345678", NumberNotNationalError),
        ("309012345678", NumberNotNationalError),
        ("990312345678", NumberNotNationalError),
        ("90101212555010", DestinationNotAllowedError),
    ],
)
def test_a_wrong_destination(typed: str, error: type[InvalidInputError]) -> None:
    """A prefix does not get round the toll policy."""
    with pytest.raises(error):
        parse_destination(typed, PREFIXES, DEFAULT, "customer_number")


@pytest.mark.parametrize("prefix", ["11", "9"])
def test_an_emergency_number_is_one_whatever_the_prefixes(prefix: str) -> None:
    """A prefix 11 must not turn 110 into "0 by prefix 11", with a message about digits."""
    with pytest.raises(EmergencyNumberError):
        parse_destination("110", Prefixes({prefix: "0312345678"}), DEFAULT, "customer_number")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("09012345678", "090-1234-5678"),
        ("05012345678", "050-1234-5678"),
        ("0120123456", "0120-123-456"),
        ("08001234567", "0800-123-4567"),
        ("0570123456", "0570-123-456"),
        ("0312345678", "03-1234-5678"),
        ("0612345678", "06-1234-5678"),
        ("0451234567", "045-123-4567"),
        ("110", "110"),
        ("7001", "7001"),
        ("", ""),
        ("0999999999999", "0999999999999"),
    ],
)
def test_numbers_for_people(number: str, shown: str) -> None:
    assert format_national(number) == shown


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("03-1234-5678", "0312345678"), ("０１２０１２３４５６", "0120123456"), ("+81 50 1234 5678", "05012345678")],
)
def test_a_number_of_the_company(typed: str, kept: str) -> None:
    assert check_company_number(typed) == kept


@pytest.mark.parametrize(
    ("typed", "error"),
    [("312345678", NumberNotNationalError), ("03123456", NumberLengthError), ("0" * 16, NumberLengthError)],
)
def test_no_number_of_a_company(typed: str, error: type[InvalidInputError]) -> None:
    with pytest.raises(error):
        check_company_number(typed)
