"""The legs of an open or ended call, kept with it as JSON: what recovery goes on from, and what the API shows."""

import json
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from ari_app.domain.ending import LegEnd, Party, Reason
from ari_app.domain.leg import Leg, Role

_LEG_FIELDS = tuple(field.name for field in fields(Leg))
_END_FIELDS = tuple(field.name for field in fields(LegEnd))


class LegList(TypeDecorator[list[Leg]]):
    """A list of legs as JSON text; times in ISO 8601."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: list[Leg] | None, dialect: Dialect) -> str:
        """Legs to JSON."""
        return json.dumps([_facts(leg) for leg in value or []], default=_iso)

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[Leg]:
        """JSON to legs."""
        return [_leg(facts) for facts in json.loads(value or "[]")]


def _facts(leg: Leg) -> dict[str, Any]:
    facts = {name: getattr(leg, name) for name in _LEG_FIELDS}
    if leg.end is not None:
        facts["end"] = {name: getattr(leg.end, name) for name in _END_FIELDS}
    return facts


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _leg(facts: dict[str, Any]) -> Leg:
    times = {name: datetime.fromisoformat(value) for name, value in facts.items() if name.endswith("_at") and value}
    end = facts["end"]
    return Leg(
        **{
            **facts,
            **times,
            "role": Role(facts["role"]),
            "end": end and LegEnd(**{**end, "reason": Reason(end["reason"]), "by": Party(end["by"])}),
        }
    )
