"""Prefix dialling プレフィックス発信: leading digits that choose the caller ID of the customer's leg."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ari_app.errors import PrefixFormatError

MAX_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The registered prefixes: digits → the company number shown to the customer."""

    numbers: Mapping[str, str]

    def split(self, digits: str) -> tuple[str | None, str]:
        """Take a prefix off dialled digits: (caller ID or None, the rest).

        A national number starts with 0 and no prefix does, so what follows a prefix tells that it is one:
        a 0, or 184/186.
        """
        for length in range(MAX_DIGITS, 0, -1):
            caller_id = self.numbers.get(digits[:length])
            if caller_id is not None and digits[length:].startswith(("0", "184", "186")):
                return caller_id, digits[length:]
        return None, digits


def check_prefix(digits: str, field: str = "digits") -> str:
    """A prefix that may be registered: one or two digits, no 0, not the beginning of 184 or 186.

    Raises PrefixFormatError.
    """
    if not re.fullmatch(rf"[1-9]{{1,{MAX_DIGITS}}}", digits, flags=re.ASCII) or "184".startswith(digits):
        raise PrefixFormatError(field=field)
    return digits
