"""C5 with processes of their own: they place and close calls at once, and 同時通話数 holds at every moment."""

import asyncio
import multiprocessing
import random
from multiprocessing.synchronize import Event as Gate
from typing import Any

from sqlalchemy import select

from ari_app.domain.account import Account
from ari_app.errors import CapacityError
from db.call_orders import reserved
from db.callbacks import CallbackStore
from db.engine import Database, open_database
from db.tables import callback, channel_reservation
from tests.db.calls import a_call, add_accounts, end

PROCESSES = 4
AGENTS = 12  # a process
ROUNDS = 8
LIMIT = 20


def work(url: str, accounts: list[Account], number: int, gate: Gate, outcomes: Any) -> None:
    """One process of the installation: its agents place a call, hold it for a moment, and place the next."""
    outcomes.put(asyncio.run(_place_and_close(url, accounts, number, gate)))


async def _place_and_close(url: str, accounts: list[Account], number: int, gate: Gate) -> tuple[int, int]:
    placed = refused = 0

    async def agent(index: int, who: Account) -> None:
        nonlocal placed, refused
        for turn in range(ROUNDS):
            call = a_call(who, (number * AGENTS + index) * ROUNDS + turn, node=f"n{number}")
            try:
                await store.place(call, limit=LIMIT)
            except CapacityError:
                refused += 1
                await asyncio.sleep(random.uniform(0, 0.02))
                continue
            placed += 1
            await asyncio.sleep(random.uniform(0, 0.02))
            await store.close(call, end(call))

    async with open_database(url) as database:
        store = CallbackStore(database)
        async with store.running():
            await asyncio.to_thread(gate.wait)
            await asyncio.gather(*(agent(index, who) for index, who in enumerate(accounts)))
    return placed, refused


async def test_the_limit_holds_across_processes(database: Database, database_url: str) -> None:
    accounts = await add_accounts(database, PROCESSES * AGENTS)
    processes = multiprocessing.get_context("spawn")
    gate, outcomes = processes.Event(), processes.Queue()
    started = [
        processes.Process(
            target=work, args=(database_url, accounts[n * AGENTS : (n + 1) * AGENTS], n, gate, outcomes), daemon=True
        )
        for n in range(PROCESSES)
    ]
    for process in started:
        process.start()
    gate.set()
    most = 0
    while any(process.is_alive() for process in started):
        most = max(most, await database.read_with(reserved))
        await asyncio.sleep(0.001)
    told = [outcomes.get(timeout=5) for _ in started]
    placed, refused = (sum(each) for each in zip(*told, strict=True))
    assert placed + refused == PROCESSES * AGENTS * ROUNDS
    assert refused, "the limit was reached"
    assert most == LIMIT, "and never passed"
    async with database.read() as connection:
        assert (await connection.execute(select(channel_reservation))).all() == [], "nothing leaked"
        ended = (await connection.execute(select(callback.c.ended_at))).scalars().all()
    assert len(ended) == placed
    assert all(ended)
