"""The legs of a call as bars on one time axis: where each part begins and ends, in percent of the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ari_app.domain.callback import Callback
from ari_app.domain.leg import Leg, Role

NARROWEST = 0.8
LABELLED_FROM = 7.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a leg. `kind` is ring, accept, wait or talk; `x` and `width` are percent."""

    kind: str
    x: float
    width: float
    seconds: float

    @property
    def middle(self) -> float:
        """Where its label stands."""
        return self.x + self.width / 2

    @property
    def labelled(self) -> bool:
        """Whether a label fits."""
        return self.width >= LABELLED_FROM


@dataclass(frozen=True, slots=True)
class Track:
    """One leg and its bars."""

    leg: Leg
    bars: list[Bar]


def tracks_of(call: Callback) -> list[Track]:
    """The dialled legs of an ended callback, each on the axis from the first dialling to the last end."""
    legs = [leg for leg in call.legs if leg.dialled]
    if not legs:
        return []
    start = min(leg.started_at for leg in legs if leg.started_at)
    end = max([leg.ended_at for leg in legs if leg.ended_at] or [start])
    whole = max((end - start).total_seconds(), 0.001)
    return [Track(leg, _bars(_parts(leg, call), start, whole)) for leg in legs]


def _parts(leg: Leg, call: Callback) -> list[tuple[str, datetime, datetime]]:
    began, over = leg.started_at, leg.ended_at
    if began is None or over is None:
        return []
    answered = leg.answered_at
    if answered is None:
        return [("ring", began, over)]
    talking = max(call.talking_at, answered) if call.talking_at else None
    parts = [("ring", began, answered)]
    if leg.role is Role.AGENT:
        accepted = leg.accepted_at or (answered if talking else over)
        parts += [("accept", answered, accepted), ("wait", accepted, talking or over)]
    if talking:
        parts.append(("talk", talking, over))
    return parts


def _bars(parts: Sequence[tuple[str, datetime, datetime]], start: datetime, whole: float) -> list[Bar]:
    bars = []
    for kind, since, until in parts:
        seconds = (until - since).total_seconds()
        if seconds > 0:
            x = 100 * (since - start).total_seconds() / whole
            bars.append(Bar(kind, round(x, 2), round(max(100 * seconds / whole, NARROWEST), 2), seconds))
    return bars
