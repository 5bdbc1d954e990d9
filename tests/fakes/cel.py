"""A CEL file as cel_custom writes it, of callbacks that went as their rows say."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import IO

from ari_app.domain.callback import Callback, channel_id
from ari_app.domain.leg import Leg, Role

MOMENT = timedelta(milliseconds=3)


def write_cel(stream: IO[str], calls: list[Callback]) -> None:
    """The events of these calls in the order of time."""
    events = [event for call in calls for event in events_of(call)]
    for at, kind, channel, extra in sorted(events):
        stream.write(line(at, kind, channel, extra))


def line(at: datetime, kind: str, channel: str, extra: str = "") -> str:
    """One event."""
    fields = {"eventtype": kind, "eventtime": f"{at.timestamp():.6f}", "uniqueid": channel, "linkedid": channel,
              "channame": "PJSIP/trunk-00000001", "num": "", "exten": "s", "context": "from-trunk", "peer": "",
              "accountcode": "", "userdeftype": "", "eventextra": extra}  # fmt: skip
    return json.dumps(fields) + "\n"


def events_of(call: Callback) -> Iterator[tuple[datetime, str, str, str]]:
    """(time, type, channel id, extra) of each event of one call."""
    agent, customer = call.legs
    for role, leg, peer in ((Role.AGENT, agent, customer), (Role.CUSTOMER, customer, agent)):
        channel = channel_id(call.id, role)
        yield call.created_at + MOMENT, "CHAN_START", channel, ""
        if entered := peer.started_at or (call.created_at + 2 * MOMENT if role is Role.CUSTOMER else None):
            yield (
                entered,
                "BRIDGE_ENTER",
                channel,
                '{"bridge_id":"' + call.id + '","bridge_technology":"simple_bridge"}',
            )
        if leg.answered_at:
            yield leg.answered_at, "ANSWER", channel, ""
        if call.ended_at:
            yield leg.ended_at or call.ended_at, "HANGUP", channel, _hangup(leg)


def _hangup(leg: Leg) -> str:
    cause = leg.end.cause if leg.end else 16
    return json.dumps({"hangupcause": cause, "hangupsource": "PJSIP/trunk-00000001", "dialstatus": ""})
