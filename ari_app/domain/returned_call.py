"""A returned call: a customer rings the number that was shown, and is put through to the agent who called last."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from ari_app.domain.account import Account
from ari_app.domain.callback import Acceptance, channel_id, endpoint_of
from ari_app.domain.ending import CAUSE_NORMAL, LegEnd, Party, Reason
from ari_app.domain.leg import Leg, Role
from ari_app.domain.numbers import TollPolicy
from ari_app.errors import InvalidInputError

CHANNELS_PER_RETURNED_CALL = 2
NOTICE_TEXT = "Ended after the notice"


@dataclass(slots=True)
class ReturnedCall:
    """One call that came in. Times are UTC.

    `customer_number` is empty where it was withheld, `called_number` the company's. Without an agent who could be
    rung (`account_id` None) the customer hears the notice. `legs` are the agent's and the customer's; the agent's is
    not dialled where there is none.
    """

    id: str
    customer_number: str
    called_number: str
    created_at: datetime
    node: str
    account_id: int | None = None
    login: str = ""
    agent_number: str = ""
    acceptance: Acceptance = Acceptance.NONE
    talking_at: datetime | None = None
    notice_at: datetime | None = None
    ended_at: datetime | None = None
    reason: Reason | None = None
    ended_by: Party | None = None
    legs: list[Leg] = field(default_factory=list)

    def came_in(self, channel: str, channel_name: str) -> None:
        """The customer's leg, and a place for the agent's; `channel` and its name are the switch's."""
        agent = Leg(Role.AGENT, channel_id(self.id, Role.AGENT), "", self.called_number, "")
        trunk = channel_name.rpartition("-")[0]
        customer = Leg(Role.CUSTOMER, channel, self.customer_number, self.called_number, trunk, inbound=True)
        customer.channel_name = channel_name
        customer.dial(self.created_at)
        self.legs = [agent, customer]

    def assign(self, account: Account, default: Acceptance, trunk_endpoint: str) -> None:
        """The agent whose own phone will ring; `trunk_endpoint` holds `{number}`."""
        self.account_id, self.login = account.id, account.login
        self.agent_number = account.device_number or ""
        self.acceptance = account.acceptance or default
        self.legs[0].number = self.agent_number
        self.legs[0].endpoint = endpoint_of(self.agent_number, trunk_endpoint)

    def finish(self, at: datetime, first: LegEnd) -> None:
        """The call is over; `first` is the end of the leg that left first. A reason that was given before stays."""
        self.ended_at = at
        self.ended_by = Party.SYSTEM if self.notice_at else first.by
        if self.talking_at:
            self.reason = Reason.INTERRUPTED if first.reason is Reason.INTERRUPTED else Reason.COMPLETED
        elif self.reason is None:
            self.reason = _missed(self.legs[0]) if self.notice_at else first.reason


def callable_agents(candidates: Iterable[Account], customer_number: str, toll: TollPolicy) -> list[Account]:
    """Those whose phone may be dialled and is not the one that calls."""
    return [one for one in candidates if one.device_number != customer_number and _may_be_dialled(one, toll)]


def after_notice(call: ReturnedCall) -> LegEnd:
    """The end of a customer's leg that heard the notice to its end."""
    return LegEnd(call.reason or _missed(call.legs[0]), Party.SYSTEM, CAUSE_NORMAL, NOTICE_TEXT)


def _missed(agent: Leg) -> Reason:
    """Why the customer was not put through. A phone that answered and did not stay was a voicemail, or a no."""
    if agent.end is None:
        return Reason.NO_ANSWER
    return Reason.NO_DIGIT if agent.end.reason is Reason.COMPLETED else agent.end.reason


def _may_be_dialled(account: Account, toll: TollPolicy) -> bool:
    try:
        toll.check(account.device_number or "", "device_number")
    except InvalidInputError:
        return False
    return True
