"""Reconciliation: our CDR rows against Asterisk's CEL, for a period on request and continuously."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from ari_app.asterisk.cel_legs import LegSlice, leg_slices
from ari_app.domain.callback import first_id
from ari_app.domain.leg import Role
from ari_app.domain.reconciliation import CallRecord, Finding, Tally, compare
from ari_app.errors import CelFileMissingError
from ari_app.ports import Clock
from db.call_records import CallRecordStore
from db.job_positions import JobPositions

SETTLED = timedelta(minutes=1)  # a call's rows and events are all there this long after its end
INTERVAL = timedelta(minutes=5)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Compared:
    """A slice of a period, compared. `uncovered` are calls that the CEL file does not reach back to."""

    findings: list[Finding]
    legs: int
    uncovered: int


class Reconciliation:
    """The records of one telephony node: its CEL file, and its rows in the database."""

    def __init__(self, cel_file: Path | None, records: CallRecordStore, node: str, clock: Clock) -> None:
        self._cel_file = cel_file
        self._records = records
        self._node = node
        self._clock = clock

    async def placed(self, start: datetime, end: datetime) -> AsyncIterator[Compared]:
        """Compare the calls placed in a period that are over, the newest first. Raises CelFileMissingError, OSError."""
        settled = self._clock.now() - SETTLED
        async for found in self._slices(start, end):
            yield await self._compare(found, None, settled)

    async def ended(self, since: datetime, until: datetime) -> AsyncIterator[Compared]:
        """As `placed`, for the calls that ended in a period."""
        first = await self._records.first_placed(since, until)
        async for found in self._slices(min(first or since, since - INTERVAL), until):
            yield await self._compare(found, since, until)

    def _slices(self, start: datetime, end: datetime) -> AsyncIterator[LegSlice]:
        if self._cel_file is None or not self._cel_file.is_file():
            raise CelFileMissingError(file=self._cel_file or "")
        return leg_slices(self._cel_file, start, end)

    async def _compare(self, found: LegSlice, since: datetime | None, until: datetime) -> Compared:
        orders, rows = await self._records.placed(found.start, found.end)
        findings, legs, uncovered = [], 0, 0
        for call_id in sorted({*orders, *rows, *found.legs}, reverse=True):
            call = CallRecord(
                call_id,
                orders.get(call_id),
                {Role(row.leg): row for row in rows.get(call_id, [])},
                found.legs.get(call_id, {}),
            )
            over = call.ended_at
            if not call.on_node(self._node) or over is None or over >= until or (since and over < since):
                continue
            if not _covered(call, found):
                uncovered += bool(call.rows)
                continue
            legs += len({*call.rows, *call.legs})
            findings += compare(call)
        return Compared(findings, legs, uncovered)


class ReconciliationJob:
    """Compares what has settled since the last round; each finding is logged and counted."""

    def __init__(
        self, reconciliation: Reconciliation, positions: JobPositions, node: str, clock: Clock, tally: Tally
    ) -> None:
        self._tally = tally
        self._reconciliation = reconciliation
        self._positions = positions
        self._name = f"reconcile:{node}"
        self._clock = clock

    async def round(self) -> None:
        """Compare the calls that ended since the last round, up to a minute ago."""
        until = self._clock.now() - SETTLED
        kept = await self._positions.get(self._name)
        since = datetime.fromisoformat(kept) if kept else until - INTERVAL
        if since >= until:
            return
        found: list[Finding] = []
        legs = uncovered = 0
        async for compared in self._reconciliation.ended(since, until):
            found += compared.findings
            legs, uncovered = legs + compared.legs, uncovered + compared.uncovered
        self._tally.legs += legs
        for finding in found:
            self._tally.findings[finding.kind] += 1
            log.error(
                "cdr_finding",
                kind=finding.kind,
                call_id=finding.call_id,
                leg=finding.leg,
                field=finding.field,
                ours=_told(finding.ours),
                theirs=_told(finding.theirs),
            )
        if uncovered:
            log.warning("cel_does_not_reach_back", calls=uncovered)
        await self._positions.set(self._name, until.isoformat())


def _covered(call: CallRecord, found: LegSlice) -> bool:
    if call.legs:
        return all(leg.created_at for leg in call.legs.values())
    return call.call_id >= first_id(found.begins)


def _told(fact: datetime | int | None) -> str | int | None:
    return fact.isoformat(timespec="milliseconds") if isinstance(fact, datetime) else fact
