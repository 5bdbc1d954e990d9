"""What a check found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One check by its stable `name`: `detail` is what was seen, `fix` what helps where it is not ok.

    Both are texts in the source language whose {places} the `facts` fill.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
