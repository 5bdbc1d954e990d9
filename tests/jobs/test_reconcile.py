"""The round of every five minutes: each call that has settled is judged once, logged and counted."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from sqlalchemy import insert
from structlog.testing import capture_logs

from ari_app.domain.account import Account
from ari_app.domain.callback import Callback, first_id
from ari_app.domain.reconciliation import Kind, Tally
from ari_app.errors import CelFileMissingError
from ari_app.jobs.reconcile import INTERVAL, Reconciliation, ReconciliationJob
from ari_app.metrics import Metrics
from db.call_orders import CALLBACK_COLUMNS
from db.call_records import CallRecordStore
from db.engine import Database
from db.job_positions import JobPositions
from db.tables import callback, cdr
from tests.db.calls import NOON, a_call, add_accounts, end
from tests.fakes.cel import line, write_cel


@dataclass
class SetClock:
    """A clock that stands where it is set."""

    at: datetime

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.at


class Scene:
    """One node: its calls, its CEL file, its job."""

    def __init__(self, database: Database, agent: Account, directory: Path) -> None:
        self.clock = SetClock(NOON)
        self.tally = Tally()
        self.calls: list[Callback] = []
        self._database = database
        self._agent = agent
        self._cel = directory / "kakehashi.json"
        self._cel.write_text(line(NOON - timedelta(days=1), "CHAN_START", "1795260414.1"))

    async def call(self, at: datetime, *, over: bool = True, row: bool = True, cel: bool = True) -> Callback:
        """A callback of 65 seconds placed at a moment."""
        call = a_call(self._agent, created_at=at, id=f"{first_id(at)}{len(self.calls):020x}", node="main")
        rows = end(call)
        if not over:
            call = replace(call, ended_at=None, legs=[replace(leg, ended_at=None, end=None) for leg in call.legs])
        self.calls.append(call)
        async with self._database.write() as connection:
            facts = {column.name: getattr(call, column.name) for column in CALLBACK_COLUMNS}
            await connection.execute(insert(callback).values(facts))
            for each in rows if over and row else []:
                await connection.execute(insert(cdr).values({name: getattr(each, name) for name in each.__slots__}))
        if cel:
            with self._cel.open("a") as stream:
                write_cel(stream, [call])
        return call

    async def round(self) -> list[tuple[str, str, int]]:
        """A round of a process that just started; (kind, call, leg) of what it logged."""
        records = Reconciliation(self._cel, CallRecordStore(self._database), "main", self.clock)
        with capture_logs() as logged:
            job = ReconciliationJob(records, JobPositions(self._database), "main", self.clock, self.tally)
            await job.round()
        return [(entry["kind"], entry["call_id"], entry["leg"]) for entry in logged if entry["event"] == "cdr_finding"]


@pytest.fixture
async def scene(database: Database, tmp_path: Path) -> AsyncIterator[Scene]:
    yield Scene(database, (await add_accounts(database))[0], tmp_path)


async def test_a_call_is_judged_once_it_has_settled(scene: Scene) -> None:
    """Open: not yet. Ended less than a minute ago: not yet. Then once, by whichever process."""
    call = await scene.call(NOON, row=False)
    scene.clock.at = NOON + timedelta(seconds=100)  # it ended at 65 s
    assert await scene.round() == []
    scene.clock.at = NOON + timedelta(seconds=400)
    assert await scene.round() == [("missing", call.id, 1), ("missing", call.id, 2)]
    scene.clock.at += INTERVAL
    assert await scene.round() == []
    assert (scene.tally.findings[Kind.MISSING], scene.tally.legs) == (2, 2)


async def test_open_calls_are_no_findings(scene: Scene) -> None:
    await scene.call(NOON, over=False)
    scene.clock.at = NOON + timedelta(hours=1)
    assert await scene.round() == []
    assert scene.tally.legs == 0


async def test_a_long_call_is_judged_when_it_ends(scene: Scene) -> None:
    """Its beginning is looked up as far back as it takes, and rounds that were missed meanwhile are made up for."""
    scene.clock.at = NOON
    await scene.round()
    extra = await scene.call(NOON + timedelta(minutes=1), cel=False)
    right = await scene.call(NOON + timedelta(minutes=2))
    scene.clock.at = NOON + timedelta(hours=3)
    assert await scene.round() == [("extra", extra.id, 1), ("extra", extra.id, 2)]
    assert scene.tally.legs == 4
    assert right.ended_at


async def test_metrics_name_every_kind_from_the_start(scene: Scene) -> None:
    metrics = Metrics()
    metrics.reconciled(scene.tally)
    scene.tally.findings[Kind.EXTRA] += 2
    page = generate_latest(metrics.registry).decode()
    assert 'kakehashi_cdr_findings_total{kind="missing"} 0.0' in page
    assert 'kakehashi_cdr_findings_total{kind="extra"} 2.0' in page
    assert "kakehashi_cdr_compared_legs_total 0.0" in page


async def test_a_lost_cel_file_fails_the_round_and_keeps_its_place(scene: Scene) -> None:
    call = await scene.call(NOON, row=False)
    scene.clock.at = NOON + timedelta(seconds=200)
    lost = scene._cel.rename(scene._cel.with_name("away"))
    with pytest.raises(CelFileMissingError):
        await scene.round()
    lost.rename(scene._cel)
    scene.clock.at += timedelta(seconds=60)
    assert {finding[1] for finding in await scene.round()} == {call.id}
