"""How a leg or a call ended: typed values that everything else reads.

The tables follow Q.850 and the SIP status that Asterisk passes on as tech_cause (RFC 3398 and chan_pjsip).
"""

from dataclasses import dataclass
from enum import StrEnum


class Party(StrEnum):
    """Who ended a leg."""

    AGENT = "agent"
    CUSTOMER = "customer"
    SYSTEM = "system"
    ADMIN = "admin"


class Reason(StrEnum):
    """Why a call ended."""

    NO_ANSWER = "no_answer"
    BUSY = "busy"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    WRONG_NUMBER = "wrong_number"
    NO_DIGIT = "no_digit"
    CANCELLED = "cancelled"
    NO_CHANNEL = "no_channel"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"


class Disposition(StrEnum):
    """Asterisk's word for a leg's outcome, in a CDR row."""

    ANSWERED = "ANSWERED"
    NO_ANSWER = "NO ANSWER"
    BUSY = "BUSY"
    FAILED = "FAILED"
    CONGESTION = "CONGESTION"
    CANCEL = "CANCEL"


CAUSE_NORMAL = 16
CAUSE_NO_ANSWER = 19
CAUSE_INTERWORKING = 127

# Ours, recorded by us: Asterisk reports 0 or 19 for its own hangups.
RING_LIMIT_TEXT = "Ring limit reached"
KEY_LIMIT_TEXT = "Acceptance key not pressed"
GIVEN_UP_TEXT = "Given up by the caller"


@dataclass(frozen=True, slots=True)
class LegEnd:
    """How one leg ended. `cause` is Q.850, `tech_cause` the SIP status behind it or None, `text` says it in words."""

    reason: Reason
    by: Party
    cause: int
    text: str
    tech_cause: int | None = None

    @classmethod
    def of_cause(cls, cause: int, text: str, tech_cause: int | None, *, answered: bool, by: Party) -> "LegEnd":
        """Read the switch's word for a leg that `by` ended; an answered leg's end is completed."""
        reason = Reason.COMPLETED if answered else _reason(cause, tech_cause)
        if answered and cause == 0:
            cause, text = CAUSE_NORMAL, ""  # Asterisk's word for a BYE without a Reason header (RFC 3326)
        words = text or _CAUSE_TEXT.get(cause, "Unknown")
        if tech_cause and not answered:
            words = f"{words} (SIP {tech_cause})"
        return cls(reason, by, cause, words, tech_cause)


def ring_limit(party: Party = Party.SYSTEM) -> LegEnd:
    """The end of a leg that rang as long as we let it."""
    return LegEnd(Reason.NO_ANSWER, party, CAUSE_NO_ANSWER, RING_LIMIT_TEXT)


def key_limit() -> LegEnd:
    """The end of an agent's leg whose holder did not press the acceptance key."""
    return LegEnd(Reason.NO_DIGIT, Party.SYSTEM, CAUSE_NORMAL, KEY_LIMIT_TEXT)


def given_up(party: Party) -> LegEnd:
    """The end of a leg whose caller hung up before we answered."""
    return LegEnd(Reason.CANCELLED, party, CAUSE_NORMAL, GIVEN_UP_TEXT)


def cut(by: Party, reason: Reason = Reason.CANCELLED) -> LegEnd:
    """The end of a leg that was cut on request or by ourselves."""
    return LegEnd(reason, by, CAUSE_NORMAL, _CUT_TEXT[by] if reason is not Reason.INTERRUPTED else "Interrupted")


def disposition(end: LegEnd, *, answered: bool) -> Disposition:
    """Asterisk's word for an ended leg."""
    if answered:
        return Disposition.ANSWERED
    return _DISPOSITION.get(end.reason, Disposition.FAILED)


def _reason(cause: int, tech_cause: int | None) -> Reason:
    if tech_cause in _BY_STATUS:
        return _BY_STATUS[tech_cause]
    return _BY_CAUSE.get(cause, Reason.FAILED)


_BY_STATUS: dict[int | None, Reason] = {
    403: Reason.FAILED,
    401: Reason.FAILED,
    404: Reason.WRONG_NUMBER,
    407: Reason.FAILED,
    408: Reason.NO_ANSWER,
    410: Reason.WRONG_NUMBER,
    480: Reason.UNREACHABLE,
    483: Reason.FAILED,
    484: Reason.WRONG_NUMBER,
    486: Reason.BUSY,
    487: Reason.NO_ANSWER,
    503: Reason.NO_CHANNEL,
    600: Reason.BUSY,
    603: Reason.DECLINED,
    604: Reason.WRONG_NUMBER,
}

_BY_CAUSE = {
    1: Reason.WRONG_NUMBER,
    17: Reason.BUSY,
    18: Reason.NO_ANSWER,
    19: Reason.NO_ANSWER,
    20: Reason.UNREACHABLE,
    21: Reason.DECLINED,
    22: Reason.WRONG_NUMBER,
    27: Reason.UNREACHABLE,
    28: Reason.WRONG_NUMBER,
    34: Reason.NO_CHANNEL,
    42: Reason.NO_CHANNEL,
}

_DISPOSITION = {
    Reason.NO_ANSWER: Disposition.NO_ANSWER,
    Reason.UNREACHABLE: Disposition.NO_ANSWER,
    Reason.DECLINED: Disposition.NO_ANSWER,
    Reason.BUSY: Disposition.BUSY,
    Reason.NO_CHANNEL: Disposition.CONGESTION,
    Reason.CANCELLED: Disposition.CANCEL,
}

_CAUSE_TEXT = {
    0: "Unknown",
    1: "Unallocated (unassigned) number",
    16: "Normal Clearing",
    17: "User busy",
    18: "No user responding",
    19: "User alerting, no answer",
    20: "Subscriber absent",
    21: "Call Rejected",
    22: "Number changed",
    27: "Destination out of order",
    28: "Invalid number format",
    34: "Circuit/channel congestion",
    38: "Network out of order",
    58: "Bearer capability not available",
    102: "Recover on timer expiry",
    127: "Interworking, unspecified",
}

_CUT_TEXT = {
    Party.AGENT: "Cancelled by the agent",
    Party.CUSTOMER: "Ended with the customer's leg",
    Party.SYSTEM: "Cut by the system",
    Party.ADMIN: "Cut by an administrator",
}
