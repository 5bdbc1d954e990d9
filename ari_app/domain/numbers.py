"""Phone numbers: what a user may type, and what may be dialled.

Numbers are kept and dialled as normalised national digits ("09012345678"), never E.164.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from ari_app.domain.prefix import Prefixes
from ari_app.errors import (
    DestinationNotAllowedError,
    EmergencyNumberError,
    NumberCharactersError,
    NumberLengthError,
    NumberMissingError,
    NumberNotNationalError,
)

MAX_TYPED_CHARACTERS = 100
COMPANY_DIGITS = 9, 15
EXTENSION_DIGITS = 1, 10
COUNTRY_CODE = "+81"
WITHHOLD = "184"
PRESENT = "186"
EMERGENCY = frozenset({"110", "118", "119"})

# The Japanese numbering plan: what costs the caller extra, leaves the country, or is no person's phone.
EXPENSIVE_PREFIXES = (
    "00",  # carrier selection and international access
    "010",  # international
    "0170",  # message services
    "0171",  # disaster message board
    "0180",  # mass-calling announcements, billed to the caller
    "020",  # pagers and machines
    "0570",  # Navi Dial, billed to the caller
    "0910",  # public utilities' internal network
    "0990",  # premium information services
)

_DIGITS = re.compile(r"[0-9]+")
_SEPARATORS = re.compile(r"[\s\-‐‑‒–—―−ｰー()./·・]")


@dataclass(frozen=True, slots=True)
class TollPolicy:
    """Which destinations may be dialled; the longest matching prefix decides, allowed beats expensive.

    `allowed` are leading digits; an expensive range is reachable only where it is allowed by name.
    """

    allowed: tuple[str, ...]
    min_digits: int
    max_digits: int

    def check(self, number: str, field: str) -> None:
        """Refuse a destination that may not be dialled.

        Raises NumberCharactersError, EmergencyNumberError, NumberLengthError, NumberNotNationalError,
        DestinationNotAllowedError.
        """
        if not _DIGITS.fullmatch(number):
            raise NumberCharactersError(field=field)
        if number in EMERGENCY:
            raise EmergencyNumberError(field=field)
        if not self.min_digits <= len(number) <= self.max_digits:
            raise NumberLengthError(field=field, minimum=self.min_digits, maximum=self.max_digits)
        if not number.startswith("0"):
            raise NumberNotNationalError(field=field)
        if _longest(number, self.allowed) < max(1, _longest(number, EXPENSIVE_PREFIXES)):
            raise DestinationNotAllowedError(field=field)


@dataclass(frozen=True, slots=True)
class Destination:
    """What a typed customer number means.

    `number` is dialled; `caller_id` is the prefix's number, None where no prefix was typed;
    `presentation` is True for 186, False for 184, None where neither was typed.
    """

    number: str
    caller_id: str | None
    presentation: bool | None


def normalise(text: str, field: str) -> str:
    """The digits of a typed number: full-width and separators accepted, +81 turned into a leading 0.

    Raises NumberMissingError, NumberCharactersError; DestinationNotAllowedError for another country's number.
    """
    if len(text) > MAX_TYPED_CHARACTERS:
        raise NumberCharactersError(field=field)
    if any(unicodedata.category(character).startswith("C") for character in text):
        # Control characters have no business in a number, and CR LF would reach SIP headers.
        raise NumberCharactersError(field=field)
    digits = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text))
    if not digits:
        raise NumberMissingError(field=field)
    if digits.startswith(COUNTRY_CODE):
        digits = "0" + digits.removeprefix(COUNTRY_CODE).removeprefix("0")
    if re.fullmatch(r"\+[0-9]+", digits):
        raise DestinationNotAllowedError(field=field)
    if not _DIGITS.fullmatch(digits):
        raise NumberCharactersError(field=field)
    return digits


def check_company_number(text: str, field: str = "tel") -> str:
    """A number the company owns, as it is kept. Raises what `normalise` raises, and for what is no national number."""
    number = normalise(text, field)
    if not number.startswith("0"):
        raise NumberNotNationalError(field=field)
    if not COMPANY_DIGITS[0] <= len(number) <= COMPANY_DIGITS[1]:
        raise NumberLengthError(field=field, minimum=COMPANY_DIGITS[0], maximum=COMPANY_DIGITS[1])
    return number


def parse_destination(text: str, prefixes: Prefixes, policy: TollPolicy, field: str) -> Destination:
    """Read a typed customer number: `[184|186][prefix][184|186]number`.

    Raises what `normalise` and `TollPolicy.check` raise.
    """
    digits, presentation = _strip_presentation(normalise(text, field))
    caller_id, digits = (None, digits) if digits in EMERGENCY else prefixes.split(digits)
    if presentation is None:
        digits, presentation = _strip_presentation(digits)
    policy.check(digits, field)
    return Destination(digits, caller_id, presentation)


def format_national(number: str) -> str:
    """A number for people: hyphens where the numbering plan puts them; unknown shapes stay as they are."""
    for pattern, groups in _GROUPS:
        if re.match(pattern, number) and len(number) == sum(groups):
            parts, rest = [], number
            for size in groups:
                parts.append(rest[:size])
                rest = rest[size:]
            return "-".join(parts)
    return _format_area(number)


def _strip_presentation(digits: str) -> tuple[str, bool | None]:
    if len(digits) > len(WITHHOLD):
        if digits.startswith(WITHHOLD):
            return digits.removeprefix(WITHHOLD), False
        if digits.startswith(PRESENT):
            return digits.removeprefix(PRESENT), True
    return digits, None


def _longest(number: str, prefixes: Iterable[str]) -> int:
    return max((len(prefix) for prefix in prefixes if number.startswith(prefix)), default=0)


def _format_area(number: str) -> str:
    import phonenumbers  # 40 ms to load: only the panel needs it, at its first area code

    try:
        parsed = phonenumbers.parse(number, "JP")
    except phonenumbers.NumberParseException:
        return number
    if not phonenumbers.is_valid_number(parsed):
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)


_GROUPS: tuple[tuple[str, tuple[int, ...]], ...] = (
    (r"0120", (4, 3, 3)),
    (r"0800", (4, 3, 4)),
    (r"0[5-9]0", (3, 4, 4)),
    (r"0570", (4, 3, 3)),
    (r"0[36]", (2, 4, 4)),
)
