"""How a leg ended: Q.850 causes and SIP statuses as reasons and Asterisk's dispositions."""

import pytest

from ari_app.domain.ending import Disposition, LegEnd, Party, Reason, cut, disposition, key_limit, ring_limit


# (cause, SIP status behind it) as Asterisk 22.10.1 tells them → (reason, disposition)
@pytest.mark.parametrize(
    ("cause", "status", "reason", "word"),
    [
        (1, 404, Reason.WRONG_NUMBER, Disposition.FAILED),
        (1, 485, Reason.WRONG_NUMBER, Disposition.FAILED),
        (1, 604, Reason.WRONG_NUMBER, Disposition.FAILED),
        (22, 410, Reason.WRONG_NUMBER, Disposition.FAILED),
        (28, 484, Reason.WRONG_NUMBER, Disposition.FAILED),
        (17, 486, Reason.BUSY, Disposition.BUSY),
        (17, 600, Reason.BUSY, Disposition.BUSY),
        (18, 408, Reason.NO_ANSWER, Disposition.NO_ANSWER),
        (19, 480, Reason.UNREACHABLE, Disposition.NO_ANSWER),
        (19, None, Reason.NO_ANSWER, Disposition.NO_ANSWER),
        (20, None, Reason.UNREACHABLE, Disposition.NO_ANSWER),
        (21, 603, Reason.DECLINED, Disposition.NO_ANSWER),
        (21, 403, Reason.FAILED, Disposition.FAILED),
        (21, 401, Reason.FAILED, Disposition.FAILED),
        (21, 407, Reason.FAILED, Disposition.FAILED),
        (27, 502, Reason.UNREACHABLE, Disposition.NO_ANSWER),
        (34, 503, Reason.NO_CHANNEL, Disposition.CONGESTION),
        (38, 500, Reason.FAILED, Disposition.FAILED),
        (58, 488, Reason.FAILED, Disposition.FAILED),
        (127, 487, Reason.NO_ANSWER, Disposition.NO_ANSWER),
        (127, 400, Reason.FAILED, Disposition.FAILED),
        (0, None, Reason.FAILED, Disposition.FAILED),
        (999, None, Reason.FAILED, Disposition.FAILED),
    ],
)
def test_a_leg_that_was_not_answered(cause: int, status: int | None, reason: Reason, word: Disposition) -> None:
    end = LegEnd.of_cause(cause, "", status, answered=False, by=Party.CUSTOMER)
    assert (end.reason, end.by, end.cause, end.tech_cause) == (reason, Party.CUSTOMER, cause, status)
    assert disposition(end, answered=False) is word
    assert end.text
    assert (f"(SIP {status})" in end.text) == (status is not None)


@pytest.mark.parametrize("cause", [0, 16, 31, 127])
def test_a_leg_that_was_answered(cause: int) -> None:
    """However it was hung up, it was answered; a BYE without a Reason is a normal end."""
    end = LegEnd.of_cause(cause, "", 200, answered=True, by=Party.AGENT)
    assert end.reason is Reason.COMPLETED
    assert disposition(end, answered=True) is Disposition.ANSWERED
    assert end.cause == (cause or 16)
    assert "SIP" not in end.text


def test_asterisks_own_words_count() -> None:
    assert LegEnd.of_cause(17, "Busy here", None, answered=False, by=Party.AGENT).text == "Busy here"


@pytest.mark.parametrize(
    ("end", "reason", "by", "cause", "word", "text"),
    [
        (ring_limit(), Reason.NO_ANSWER, Party.SYSTEM, 19, Disposition.NO_ANSWER, "Ring limit reached"),
        (key_limit(), Reason.NO_DIGIT, Party.SYSTEM, 16, Disposition.FAILED, "Acceptance key not pressed"),
        (cut(Party.AGENT), Reason.CANCELLED, Party.AGENT, 16, Disposition.CANCEL, "Cancelled by the agent"),
        (cut(Party.ADMIN), Reason.CANCELLED, Party.ADMIN, 16, Disposition.CANCEL, "Cut by an administrator"),
        (
            cut(Party.SYSTEM, Reason.INTERRUPTED),
            Reason.INTERRUPTED,
            Party.SYSTEM,
            16,
            Disposition.FAILED,
            "Interrupted",
        ),
    ],
)
def test_ends_of_our_own(end: LegEnd, reason: Reason, by: Party, cause: int, word: Disposition, text: str) -> None:
    """Rule 7: a limit of ours is recorded as ours, whatever Asterisk calls it; the texts tell the kinds apart."""
    assert (end.reason, end.by, end.cause, end.text) == (reason, by, cause, text)
    assert disposition(end, answered=False) is word
