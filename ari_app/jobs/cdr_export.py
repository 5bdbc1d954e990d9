"""The export: the same rows in the operator's own `cdr` table, a moment after they are written in ours."""

import structlog

from db.cdrs import CdrStore
from db.foreign_cdr import ForeignCdr
from db.job_positions import JobPositions

JOB = "cdr_export"
INTERVAL_S = 5.0
BATCH = 1000
# A row may become visible after one with a higher id: as many as the writers of all nodes may have under way.
LATE_ROWS = 1000

log = structlog.get_logger(__name__)


class CdrExport:
    """Copies what is new since the stored position; after an outage of either side it goes on from there."""

    def __init__(self, cdrs: CdrStore, theirs: ForeignCdr, positions: JobPositions) -> None:
        self._cdrs = cdrs
        self._theirs = theirs
        self._positions = positions
        self._copied: set[int] = set()  # of the last LATE_ROWS ids

    async def round(self) -> None:
        """Copy until nothing is left. Raises CdrExportError, DatabaseUnavailableError; what was copied stays."""
        position = int(await self._positions.get(JOB) or 0)
        while ids := await self._waiting(position):
            added = await self._theirs.add(await self._cdrs.of_ids(ids))
            position = max(position, ids[-1])
            await self._positions.set(JOB, str(position))
            self._copied = {row_id for row_id in self._copied.union(ids) if row_id > position - LATE_ROWS}
            if added:
                log.info("cdr_exported", rows=added)

    async def _waiting(self, position: int) -> list[int]:
        ids = await self._cdrs.ids_after(position - LATE_ROWS, LATE_ROWS + BATCH)
        return [row_id for row_id in ids if row_id not in self._copied][:BATCH]
