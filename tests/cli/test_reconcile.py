"""`cdr reconcile`: a day of calls against Asterisk's records of them, in the order and the size of a real day."""

import asyncio
import gzip
import re
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update

from ari_app.domain.account import Account
from ari_app.domain.callback import Callback, channel_id, first_id
from ari_app.domain.cdr import rows_of
from ari_app.domain.ending import LegEnd, Party, Reason
from ari_app.domain.leg import Role
from db.call_orders import CALLBACK_COLUMNS
from db.engine import open_database
from db.tables import callback, cdr
from tests.db.calls import a_call, add_accounts, end
from tests.fakes.cel import line, write_cel

from .conftest import Kakehashi

CALLS = 5_000
MORNING = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)  # 09:00 in Tokyo
DAY = ("cdr", "reconcile", "--from", "2026-11-20", "--to", "2026-11-20 24:00")
MEMORY_MB = 20  # above what the command takes for an empty period
MEASURED = """
import atexit, pathlib, sys
from ari_app.cli import main
atexit.register(lambda: sys.stderr.write(pathlib.Path("/proc/self/status").read_text()))
main()
"""


def a_day(agents: list[Account], count: int) -> list[Callback]:
    """Callbacks that follow each other closely; every third is refused by the agent's phone."""
    calls = []
    for number in range(count):
        at = MORNING + timedelta(hours=9) * number / count
        call = a_call(agents[0], created_at=at, id=f"{first_id(at)}{number:020x}", node="main")
        if number % 3:
            end(call)
        else:
            agent, _ = call.plan_legs("PJSIP/{number}@trunk")
            agent.dial(at + timedelta(milliseconds=6))
            agent.finish(at + timedelta(seconds=2), LegEnd.of_cause(17, "", 486, answered=False, by=Party.AGENT))
            call.finish(at + timedelta(seconds=2), Reason.BUSY, Party.AGENT)
        calls.append(call)
    return calls


async def write_rows(url: str, count: int) -> list[Callback]:
    """A day's calls as they are written down."""
    async with open_database(url) as database:
        calls = a_day(await add_accounts(database), count)
        rows = [row for call in calls for row in rows_of(call.id, call.legs, accountcode=call.login, node="main")]
        async with database.write() as connection:
            facts = [{column.name: getattr(call, column.name) for column in CALLBACK_COLUMNS} for call in calls]
            await connection.execute(insert(callback), facts)
            await connection.execute(insert(cdr), [asdict(row) for row in rows])
    return calls


async def alter(url: str, wrong: str, gone: str) -> None:
    """Lengthen a row by a minute, delete another."""
    async with open_database(url) as database, database.write() as connection:
        await connection.execute(
            update(cdr).where(cdr.c.uniqueid == wrong).values(duration=cdr.c.duration + 60, cause=31)
        )
        await connection.execute(delete(cdr).where(cdr.c.uniqueid == gone))


@pytest.fixture
def cel_file(installation: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = installation / "kakehashi.json"
    monkeypatch.setenv("KAKEHASHI_CEL_FILE", str(file))
    return file


def measured(*arguments: str) -> tuple[int, str, float, float]:
    """Run the command as a process: exit code, output, seconds, and the most memory it held in MB (proc(5), VmHWM)."""
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", ran.stderr, re.MULTILINE)
    return ran.returncode, ran.stdout, time.monotonic() - began, int(peak) / 1024


def test_a_day_of_calls(sqlite_url: str, cel_file: Path) -> None:
    """Nothing is found in a day that is right; a wrong and a missing row are; memory does not grow with the day."""
    calls = asyncio.run(write_rows(sqlite_url, CALLS))
    with cel_file.open("w") as stream:
        write_cel(stream, calls)
    _, _, _, empty_mb = measured("cdr", "reconcile", "--from", "2026-11-19", "--to", "2026-11-19 00:01")
    code, output, took_s, mb = measured(*DAY)
    legs = 2 * CALLS
    print(f"{CALLS} calls, {cel_file.stat().st_size / 1e6:.1f} MB of CEL: {took_s:.2f} s, {mb:.0f} MB ({empty_mb:.0f} MB idle)")  # noqa: E501 # fmt: skip
    assert (code, output) == (0, f"{legs}レグを照合し、相違はありません\n")
    assert mb < empty_mb + MEMORY_MB
    wrong, gone = channel_id(calls[1].id, Role.CUSTOMER), channel_id(calls[-3].id, Role.AGENT)
    asyncio.run(alter(sqlite_url, wrong, gone))
    code, output, _, _ = measured(*DAY)
    told = output.splitlines()
    assert code == 1
    assert f"{calls[-3].id} leg 1: 行がありません" in told[0]
    assert f"{calls[1].id} leg 2: duration が違います。行は 123、Asterisk は 63" in told[1]
    assert f"{calls[1].id} leg 2: cause が違います。行は 31、Asterisk は 16" in told[2]
    assert told[3] == f"{legs}レグを照合し、3件の相違があります"


def test_machines_read_it(kakehashi: Kakehashi, sqlite_url: str, cel_file: Path) -> None:
    """Across rotations, of which the oldest is packed; a row without a leg; what lies before the file is not judged."""
    calls = asyncio.run(write_rows(sqlite_url, 40))
    before, first, second, third, unseen = calls[:10], calls[10:20], calls[20:30], calls[30:39], calls[39]
    with gzip.open(f"{cel_file}.2.gz", "wt") as stream:
        write_cel(stream, first)
    with Path(f"{cel_file}.1").open("w") as stream:
        write_cel(stream, second)
    with cel_file.open("w") as stream:
        write_cel(stream, third)
        stream.write(line(calls[-1].created_at, "CHAN_START", "1795260414.1"))  # a call in, not ours
        stream.write('{"eventtype":"CHAN_START","eventt')
    told = kakehashi(*DAY, "--json")
    assert told.code == 1
    assert told.json["uncovered"] == len(before)
    assert told.json["legs"] == 2 * 30 - (1 if calls.index(unseen) % 3 == 0 else 0)
    rows = rows_of(unseen.id, unseen.legs, accountcode="", node="")
    assert [(item["kind"], item["call_id"], item["leg"], item["field"]) for item in told.json["items"]] == [
        ("extra", unseen.id, row.leg, "start") for row in rows
    ]
    assert told.json["items"][0]["ours"].endswith("+09:00")


def test_other_nodes_calls_are_not_judged(kakehashi: Kakehashi, sqlite_url: str, cel_file: Path) -> None:
    calls = asyncio.run(write_rows(sqlite_url, 3))
    cel_file.write_text(line(MORNING - timedelta(hours=1), "CHAN_START", "1795260414.1"))
    assert kakehashi(*DAY).code == 1
    other = kakehashi(*DAY, "--node", "elsewhere", "--json")
    assert (other.code, other.json) == (0, {"items": [], "next": None, "legs": 0, "uncovered": 0})
    assert len(calls) == 3


def test_without_a_cel_file_it_is_told(kakehashi: Kakehashi, cel_file: Path) -> None:
    refused = kakehashi(*DAY, "--json")
    assert (refused.code, refused.error["code"]) == (1, "cel_file_missing")
