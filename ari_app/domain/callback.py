"""A callback: its states, its result, and what is refused before anything rings."""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from ari_app.domain.ending import Party, Reason
from ari_app.domain.leg import Leg, Role
from ari_app.errors import NumberCharactersError


class State(StrEnum):
    """Where a callback stands."""

    ACCEPTED = "accepted"
    RINGING_AGENT = "ringing_agent"
    AGENT_ANSWERED = "agent_answered"
    RINGING_CUSTOMER = "ringing_customer"
    TALKING = "talking"
    ENDED = "ended"


class Result(StrEnum):
    """発信結果: it speaks of leg 1 only."""

    AGENT_ANSWERED = "agent_answered"
    AGENT_NOT_ANSWERED = "agent_not_answered"


class Acceptance(StrEnum):
    """How the agent's leg is accepted before the customer is dialled."""

    NONE = "none"
    PRESS1 = "press1"


ACCEPT_KEY = "1"
CHANNELS_PER_CALLBACK = 2


class IllegalChangeError(RuntimeError):
    """A callback was asked to move to a state that does not follow the one it is in."""


@dataclass(slots=True)
class Callback:
    """One callback. Times are UTC; `login` is the account's, `caller_id` the number chosen on the screen.

    `customer_caller_id` is what the customer sees: the prefix's number, or `caller_id`; `withheld` hides it (184).
    """

    id: str
    account_id: int
    login: str
    caller_id: str
    agent_number: str
    customer_number: str
    customer_caller_id: str
    withheld: bool
    acceptance: Acceptance
    created_at: datetime
    node: str | None = None
    state: State = State.ACCEPTED
    result: Result | None = None
    reason: Reason | None = None
    ended_by: Party | None = None
    ringing_agent_at: datetime | None = None
    agent_answered_at: datetime | None = None
    ringing_customer_at: datetime | None = None
    talking_at: datetime | None = None
    ended_at: datetime | None = None
    legs: list[Leg] = field(default_factory=list)

    def plan_legs(self, trunk_endpoint: str) -> tuple[Leg, Leg]:
        """The two legs of this call, with channel ids of ours; `trunk_endpoint` holds `{number}`."""
        agent = Leg(
            Role.AGENT,
            channel_id(self.id, Role.AGENT),
            self.agent_number,
            self.caller_id,
            endpoint_of(self.agent_number, trunk_endpoint),
        )
        customer = Leg(
            Role.CUSTOMER,
            channel_id(self.id, Role.CUSTOMER),
            self.customer_number,
            self.customer_caller_id,
            endpoint_of(self.customer_number, trunk_endpoint),
            withheld=self.withheld,
        )
        self.legs = [agent, customer]
        return agent, customer

    def recalled_legs(self) -> list[Leg]:
        """The legs, with what the state tells of them: of an open call it is written before the leg is dialled."""
        legs = [replace(leg) for leg in self.legs]
        if self.state is State.ENDED:
            return legs
        for leg in legs:
            agent = leg.role is Role.AGENT
            if dialled_at := self.ringing_agent_at if agent else self.ringing_customer_at:
                leg.dial(dialled_at)
            if answered_at := self.agent_answered_at if agent else self.talking_at:
                leg.answer(answered_at)
        return legs

    @property
    def cancellable(self) -> bool:
        """Whether the owner may still cancel: until the customer answers."""
        return self.state not in (State.TALKING, State.ENDED)

    def ring_agent(self, at: datetime) -> None:
        """The agent's phone is dialled."""
        self._move(State.RINGING_AGENT)
        self.ringing_agent_at = at

    def agent_answered(self, at: datetime) -> None:
        """The agent's phone answered; whether by its holder is not known yet."""
        self._move(State.AGENT_ANSWERED)
        self.agent_answered_at = at

    def ring_customer(self, at: datetime) -> None:
        """The agent accepted, the customer is dialled."""
        self._move(State.RINGING_CUSTOMER)
        self.result = Result.AGENT_ANSWERED
        self.ringing_customer_at = at

    def talk(self, at: datetime) -> None:
        """Both are joined."""
        self._move(State.TALKING)
        self.talking_at = at

    def finish(self, at: datetime, reason: Reason, by: Party) -> None:
        """The call is over; a result not earned by now is 発信元不応答. Without a key to press, answering earns it."""
        self._move(State.ENDED)
        self.ended_at = at
        self.reason = reason
        self.ended_by = by
        if self.result is None:
            accepted = self.acceptance is Acceptance.NONE and any(leg.answered_at for leg in self.legs)
            self.result = Result.AGENT_ANSWERED if accepted else Result.AGENT_NOT_ANSWERED

    def _move(self, state: State) -> None:
        if state not in _FOLLOWS[self.state]:
            raise IllegalChangeError(f"{self.state} -> {state}")
        self.state = state


def endpoint_of(number: str, trunk_endpoint: str) -> str:
    """The dial string of a number on the trunk: `trunk_endpoint` with its `{number}` filled in.

    The last gate before the switch: anything but digits could name another destination. Raises NumberCharactersError.
    """
    if not (number.isascii() and number.isdigit()):
        raise NumberCharactersError(field="number")
    return trunk_endpoint.format(number=number)


def is_call_id(text: str) -> bool:
    """Whether this has the form of our calls' ids: 32 hexadecimal digits."""
    return _CALL_ID.fullmatch(text) is not None


def first_id(moment: datetime) -> str:
    """What the ids of the calls placed from `moment` on do not sort before: an id begins with its milliseconds."""
    return f"{int(moment.timestamp() * 1000):012x}"


def channel_id(call_id: str, role: Role) -> str:
    """The id of a leg's channel: known before the switch is asked, and readable back by `call_of_channel`."""
    return f"{call_id}-{role.value}"


def call_of_channel(channel: str) -> str | None:
    """The id of the call a channel id of ours belongs to, None for a stranger's."""
    call_id, dash, role = channel.rpartition("-")
    return call_id if dash and role in ("1", "2") else None


_CALL_ID = re.compile("[0-9a-f]{32}")
_FOLLOWS = {
    State.ACCEPTED: {State.RINGING_AGENT, State.ENDED},
    State.RINGING_AGENT: {State.AGENT_ANSWERED, State.ENDED},
    State.AGENT_ANSWERED: {State.RINGING_CUSTOMER, State.ENDED},
    State.RINGING_CUSTOMER: {State.TALKING, State.ENDED},
    State.TALKING: {State.ENDED},
    State.ENDED: frozenset(),
}
