"""コールバック発信結果 and 発着信履歴: what is found, in which order, page by page, by whom."""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from sqlalchemy import insert

from ari_app.domain.account import Account, Role
from ari_app.domain.callback import Callback, Result
from ari_app.domain.ending import Reason
from ari_app.domain.permissions import Reach
from ari_app.domain.resources import Level, ResourceKind
from ari_app.domain.schedule import Period
from ari_app.errors import InvalidInputError, TooManyResultsError
from db.accounts import AccountStore
from db.call_orders import CALLBACK_COLUMNS
from db.callback_search import CallbackSearch, SearchWord
from db.callbacks import CallbackStore
from db.cdrs import CdrSearch, CdrStore
from db.engine import Database
from db.numbers import NumberStore
from db.paging import Cursor
from db.reach import RowReach
from db.tables import callback, cdr
from tests.db.calls import NOON, SCREEN, a_call, add_accounts, end

EVERYTHING = RowReach(Reach.ALL, 0)
HOUR = timedelta(hours=1)
OTHER = "0355556666"


@dataclass
class Archive:
    """Ended calls of two agents."""

    callbacks: CallbackStore
    cdrs: CdrStore
    database: Database
    tanaka: Account
    sato: Account

    async def keep(self, *calls: Callback) -> None:
        """Write ended calls and their rows, as time has left them."""
        rows = [row for call in calls for row in end(call)]
        async with self.database.write() as connection:
            values = [{column.name: getattr(call, column.name) for column in CALLBACK_COLUMNS} for call in calls]
            await connection.execute(insert(callback), values)
            await connection.execute(insert(cdr), [asdict(row) for row in rows])

    async def found(self, reach: RowReach = EVERYTHING, **conditions: Any) -> list[int]:
        """The numbers of the calls that are found, in order."""
        page = await self.callbacks.search(CallbackSearch(**conditions), reach, limit=100)
        assert page.total == len(page.items)
        return [int(call.id, 16) for call in page.items]


@pytest.fixture
async def archive(database: Database) -> AsyncIterator[Archive]:
    tanaka, sato = await add_accounts(database, 2)
    yield Archive(CallbackStore(database), CdrStore(database), database, tanaka, sato)


async def test_a_half_open_period(archive: Archive) -> None:
    """From the start, up to but not including the end; 24:00 is the next day's 00:00."""
    midnight = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)  # 24:00 in Tokyo
    times = [midnight - HOUR, midnight - timedelta(microseconds=1), midnight, midnight + HOUR]
    await archive.keep(*(a_call(archive.tanaka, number, created_at=at) for number, at in enumerate(times)))
    assert await archive.found(period=Period(midnight - HOUR, midnight)) == [1, 0]
    assert await archive.found(period=Period(midnight, midnight + HOUR)) == [2]
    assert await archive.found(period=Period(start=midnight)) == [3, 2]
    assert await archive.found(period=Period(end=midnight)) == [1, 0]
    assert await archive.found() == [3, 2, 1, 0]


async def test_a_number_from_its_beginning(archive: Archive) -> None:
    numbers = ["08022220002", "08022220009", "0312340000", "09011110001", "0809999999"]
    calls = (a_call(archive.tanaka, number, customer_number=tel) for number, tel in enumerate(numbers))
    await archive.keep(*calls)
    for typed, found in {
        "080": [4, 1, 0],
        "08022": [1, 0],
        "08022220002": [0],
        "0802222000": [1, 0],
        "0809": [4],
        "09": [3],
        "099": [],
        "9": [],
        "0": [4, 3, 2, 1, 0],
    }.items():
        assert await archive.found(customer_number=typed) == found, typed


async def test_caller_id_and_result(archive: Archive) -> None:
    calls = [
        a_call(archive.tanaka, 0),
        a_call(archive.tanaka, 1, caller_id=OTHER),
        a_call(archive.tanaka, 2, result=Result.AGENT_NOT_ANSWERED),
    ]
    await archive.keep(*calls)
    assert await archive.found(caller_id=SCREEN) == [2, 0]
    assert await archive.found(caller_id=OTHER) == [1]
    assert await archive.found(result=Result.AGENT_NOT_ANSWERED) == [2]
    assert await archive.found(caller_id=OTHER, result=Result.AGENT_NOT_ANSWERED) == []


async def test_every_word_must_match(archive: Archive) -> None:
    """All words, each anywhere in one of the numbers; a wildcard is a character like any other."""
    await archive.keep(
        a_call(archive.tanaka, 0, customer_number="08022220002"),
        a_call(archive.tanaka, 1, customer_number="08022220009", caller_id=OTHER),
        a_call(archive.tanaka, 2, customer_number="0312340000"),
    )
    for words, found in {
        "2222": [1, 0],
        "2222 5555": [1],
        "2222 nothing": [],
        "%": [],
        "_": [],
        "0002": [0],
    }.items():
        assert await archive.found(words=tuple(map(SearchWord, words.split()))) == found, words


async def test_words_by_result_and_reason(archive: Archive) -> None:
    """A word may be a label in the user's language: its results and reasons come with it."""
    await archive.keep(a_call(archive.tanaka, 0), a_call(archive.tanaka, 1, result=Result.AGENT_NOT_ANSWERED))
    word = SearchWord("不応答", results=(Result.AGENT_NOT_ANSWERED,))
    assert await archive.found(words=(word,)) == [1]
    assert await archive.found(words=(SearchWord("通話", reasons=(Reason.COMPLETED,)), word)) == [1]
    assert await archive.found(words=(SearchWord("話中", reasons=(Reason.BUSY,)),)) == []


@pytest.mark.parametrize("limit", [2, 7])
async def test_pages_both_ways(archive: Archive, limit: int) -> None:
    """Every row once, forwards and back again, though many began in the same moment."""
    times = [NOON, NOON, NOON, NOON + HOUR, NOON + HOUR, NOON - HOUR, NOON]
    await archive.keep(*(a_call(archive.tanaka, number, created_at=at) for number, at in enumerate(times)))
    whole = await archive.found()
    pages: list[list[int]] = []
    cursor: Cursor | None = None
    while True:
        page = await archive.callbacks.search(CallbackSearch(), EVERYTHING, limit=limit, cursor=cursor)
        assert page.total == 7
        assert (page.previous is None) == (not pages)
        pages.append([int(call.id, 16) for call in page.items])
        if page.next is None:
            break
        cursor = Cursor.decode(page.next.encode())
    assert list(chain.from_iterable(pages)) == whole
    for expected in reversed(pages[:-1]):
        assert page.previous is not None
        cursor = Cursor.decode(page.previous.encode())
        page = await archive.callbacks.search(CallbackSearch(), EVERYTHING, limit=limit, cursor=cursor)
        assert [int(call.id, 16) for call in page.items] == expected
    assert page.previous is None


@pytest.mark.parametrize("text", ["", "x", "bm9wZQ", "W10", "WzEsMiwzXQ", "🙂", "W251bGwsbnVsbCxudWxsXQ", "A" * 2000])
def test_a_cursor_that_nobody_made(text: str) -> None:
    with pytest.raises(InvalidInputError):
        Cursor.decode(text)


async def test_too_many(archive: Archive) -> None:
    """More than 10,000 hits are an error; 10,000 are a result. Narrowing comes after finding."""
    finished = a_call(archive.tanaka, 0)
    end(finished)
    values = {column.name: getattr(finished, column.name) for column in CALLBACK_COLUMNS}
    async with archive.database.write() as connection:
        for start in range(0, 10_000, 1000):
            batch = [values | {"id": f"{number:032x}"} for number in range(start, start + 1000)]
            await connection.execute(insert(callback), batch)
    page = await archive.callbacks.search(CallbackSearch(), EVERYTHING, limit=1)
    assert page.total == 10_000
    await archive.keep(a_call(archive.tanaka, 10_000, customer_number="0312340000"))
    with pytest.raises(TooManyResultsError) as refusal:
        await archive.callbacks.search(CallbackSearch(), EVERYTHING, limit=1)
    assert refusal.value.limit == 10_000
    with pytest.raises(TooManyResultsError):
        await archive.callbacks.search(CallbackSearch(words=(SearchWord("0312340000"),)), EVERYTHING, limit=1)
    assert await archive.found(customer_number="0312340000") == [10_000]


async def test_who_sees_what(archive: Archive) -> None:
    """An administrator everything, a supervisor the granted numbers' rows, a user their own."""
    await archive.keep(
        a_call(archive.tanaka, 0),
        a_call(archive.sato, 1, caller_id=OTHER),
        a_call(archive.sato, 2, caller_id="0366667777"),
    )
    (boss,) = await add_accounts(archive.database, 1, Role.SUPERVISOR)
    accounts, numbers = AccountStore(archive.database), NumberStore(archive.database)
    for tel in SCREEN, OTHER, "0366667777":
        await numbers.add(tel, tel, NOON)
    await numbers.add_call_center("サポート", [OTHER], [], NOON)
    granted = RowReach(Reach.GRANTED, boss.id)
    assert await archive.found() == [2, 1, 0]
    assert await archive.found(RowReach(Reach.OWN, archive.tanaka.id)) == [0]
    assert await archive.found(RowReach(Reach.OWN, archive.sato.id)) == [2, 1]
    assert await archive.found(granted) == []
    await accounts.grant(boss.login, ResourceKind.NUMBER, SCREEN, Level.VIEW)
    assert await archive.found(granted) == [0]
    await accounts.grant(boss.login, ResourceKind.CALL_CENTER, "サポート", Level.VIEW)
    assert await archive.found(granted) == [1, 0]
    call = await archive.callbacks.find(f"{1:032x}", granted)
    assert call.caller_id == OTHER
    rows = await archive.cdrs.search(CdrSearch(), granted, limit=10)
    seen = {(int(row.call_id, 16), row.leg) for row in rows.items}
    assert seen == {(0, 1), (0, 2), (1, 1), (1, 2), (2, 2)}, "leg 2 of call 2 showed a granted number, leg 1 did not"


async def test_cdr_rows(archive: Archive) -> None:
    """Two rows a callback; numbers match from their beginning; pages by the row."""
    later = NOON + HOUR
    await archive.keep(
        a_call(archive.tanaka, 0),
        a_call(archive.sato, 1, created_at=later, caller_id=OTHER, customer_number="0312340000"),
    )

    async def found(**conditions: Any) -> list[tuple[int, int]]:
        page = await archive.cdrs.search(CdrSearch(**conditions), EVERYTHING, limit=100)
        return [(int(row.call_id, 16), row.leg) for row in page.items]

    assert await found() == [(1, 2), (1, 1), (0, 2), (0, 1)]
    assert await found(dst="0312") == [(1, 2)]
    assert await found(src=OTHER) == [(1, 1)]
    assert await found(call_id=f"{0:032x}") == [(0, 2), (0, 1)]
    assert await found(period=Period(NOON, later)) == [(0, 2), (0, 1)]
    first = await archive.cdrs.search(CdrSearch(), EVERYTHING, limit=3)
    assert first.next is not None
    second = await archive.cdrs.search(CdrSearch(), EVERYTHING, limit=3, cursor=first.next)
    assert [(int(row.call_id, 16), row.leg) for row in second.items] == [(0, 1)]
    row = second.items[0]
    assert (row.duration, row.billsec, row.ring_ms) == (63, 60, 2880)
