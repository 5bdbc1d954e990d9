"""One leg of a call: one channel, from the order to its end."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from ari_app.domain.ending import LegEnd


class Role(IntEnum):
    """Which leg: the value is the `leg` column of the CDR."""

    AGENT = 1
    CUSTOMER = 2

    @property
    def word(self) -> str:
        """The role as the API spells it."""
        return self.name.lower()


@dataclass(slots=True)
class Leg:
    """What is known of one leg. Times are UTC, from the switch's clock where the switch told them.

    `caller_id` is the number shown on this leg, `withheld` hides it (184). An `inbound` leg was not dialled by us:
    `number` called the company's `caller_id`.
    A leg without `started_at` was never dialled.
    """

    role: Role
    channel_id: str
    number: str
    caller_id: str
    endpoint: str
    withheld: bool = False
    channel_name: str = ""
    started_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    accepted_at: datetime | None = None
    bridged_at: datetime | None = None
    ended_at: datetime | None = None
    end: LegEnd | None = field(default=None)
    inbound: bool = False

    @property
    def dialled(self) -> bool:
        """Whether the leg ever left the house."""
        return self.started_at is not None

    def dial(self, at: datetime) -> None:
        """The leg is dialled."""
        self.started_at = self.started_at or at

    def ring(self, at: datetime) -> None:
        """The far phone rings, or the network talks; the first time counts."""
        self.ringing_at = self.ringing_at or at

    def answer(self, at: datetime) -> None:
        """The far side answered; the first time counts."""
        self.answered_at = self.answered_at or at

    def finish(self, at: datetime, end: LegEnd) -> None:
        """The leg is gone. The first end told is the true one, the first time too."""
        self.end = self.end or end
        self.ended_at = self.ended_at or at
