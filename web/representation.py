"""How the outside sees a callback: the JSON of the API, its events and the panel's."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ari_app.domain.callback import Callback
from ari_app.domain.cdr import CdrRow
from ari_app.domain.leg import Leg
from web.language import Language, ending_text


def represent_callback(call: Callback, language: Language, zone: ZoneInfo) -> dict[str, Any]:
    """A callback as JSON; times are ISO 8601 with the offset of `zone`, null where not yet."""
    return {
        "id": call.id,
        "state": call.state.value,
        "result": call.result and call.result.value,
        "reason": call.reason and call.reason.value,
        "reason_text": ending_text(call, language),
        "ended_by": call.ended_by and call.ended_by.value,
        "login": call.login,
        "caller_id": call.caller_id,
        "agent_number": call.agent_number,
        "customer_number": call.customer_number,
        "customer_caller_id": call.customer_caller_id,
        "withheld": call.withheld,
        "acceptance": call.acceptance.value,
        "created_at": iso_time(call.created_at, zone),
        "ringing_agent_at": iso_time(call.ringing_agent_at, zone),
        "agent_answered_at": iso_time(call.agent_answered_at, zone),
        "ringing_customer_at": iso_time(call.ringing_customer_at, zone),
        "talking_at": iso_time(call.talking_at, zone),
        "ended_at": iso_time(call.ended_at, zone),
        "legs": [_leg(leg, zone) for leg in call.recalled_legs() if leg.dialled],
    }


def represent_cdr(row: CdrRow, zone: ZoneInfo) -> dict[str, Any]:
    """A CDR row by its columns' names."""
    facts = asdict(row)
    return {name: iso_time(fact, zone) if isinstance(fact, datetime) else fact for name, fact in facts.items()}


def iso_time(moment: datetime | None, zone: ZoneInfo) -> str | None:
    """A moment as the outside reads it."""
    return moment.astimezone(zone).isoformat(timespec="milliseconds") if moment else None


def _leg(leg: Leg, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "role": leg.role.word,
        "number": leg.number,
        "caller_id": leg.caller_id,
        "channel_id": leg.channel_id,
        "started_at": iso_time(leg.started_at, zone),
        "answered_at": iso_time(leg.answered_at, zone),
        "ended_at": iso_time(leg.ended_at, zone),
        "hangup_cause": leg.end and leg.end.cause,
        "ended_by": leg.end and leg.end.by.value,
    }
