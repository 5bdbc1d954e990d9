"""What a leg's row must say."""

from dataclasses import dataclass

from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import Disposition, Party


@dataclass(frozen=True)
class Row:
    """A row of a dialled leg. Seconds: (least, most)."""

    disposition: Disposition
    ended_by: Party
    cause: int
    billsec: tuple[int, int] = (0, 0)
    duration: tuple[int, int] = (0, 1)


def check_row(row: CdrRow | None, expected: Row | None) -> None:
    """Fail where they differ; None is a leg that was never dialled."""
    if row is None or expected is None:
        assert (row, expected) == (None, None)
        return
    assert (row.disposition, row.ended_by, row.cause) == (expected.disposition, expected.ended_by, expected.cause)
    assert expected.billsec[0] <= row.billsec <= expected.billsec[1]
    assert expected.duration[0] <= row.duration <= expected.duration[1]
    assert (row.answer is None) is (row.disposition is not Disposition.ANSWERED)
    assert row.start <= (row.answer or row.start) <= row.end
