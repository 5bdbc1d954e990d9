"""The product as a contender: an order at the desk, carried out, and both of its CDR rows committed."""

import asyncio
import os
from contextlib import AsyncExitStack

import uvloop
from sqlalchemy import distinct, func, select

from ari_app.config import load_settings
from ari_app.domain.account import Account, Device, Role
from ari_app.logging import Level, configure
from ari_app.main import open_services
from ari_app.ports import Bus
from db.tables import cdr
from tests.bench import child
from tests.bench.contender import compete
from tests.bench.numbers import COMPANY, agent_number, customer_number
from web.services import Services


class Product:
    """Implements `contender.Contender`."""

    def __init__(self, services: Services, agents: list[Account]) -> None:
        self._services = services
        self._agents = agents
        self._ends: dict[str, asyncio.Future[None]] = {}

    async def call(self, slot: int) -> None:
        """Order a callback; over once its end is told, which is after its rows are committed."""
        placed = await self._services.desk.place(
            self._agents[slot], caller_id=COMPANY, customer_number=customer_number(slot)
        )
        self._ends[placed.callback_id] = end = asyncio.get_running_loop().create_future()
        try:
            await end
        finally:
            del self._ends[placed.callback_id]

    async def totals(self) -> dict[str, float]:
        """Calls whose two rows are in the database; what the group writer wrote, in how many commits."""
        writer = self._services.callbacks.writer
        both = select(cdr.c.call_id).group_by(cdr.c.call_id).having(func.count(distinct(cdr.c.leg)) == 2).subquery()
        async with self._services.database.read() as connection:
            recorded = await connection.scalar(select(func.count()).select_from(both)) or 0
        return {"recorded": recorded, "orders": writer.orders, "batches": writer.batches}

    async def watch(self, bus: Bus) -> None:
        """Tell each call's end to whoever placed it."""
        async with bus.subscribe() as events:
            async for told in events:
                if told.name == "call.ended" and (end := self._ends.get(told.callback.id)) and not end.done():
                    end.set_result(None)


async def _agents(services: Services, count: int) -> list[Account]:
    now = services.clock.now()
    await services.numbers.add(COMPANY, "bench", now)
    agents = [
        await services.accounts.add(
            {
                "login": f"agent{slot}",
                "name": f"Agent {slot}",
                "role": Role.USER,
                "agent": True,
                "device": Device.EXTERNAL,
                "device_number": agent_number(slot),
            },
            now,
        )
        for slot in range(count)
    ]
    await services.numbers.add_call_center("bench", [COMPANY], [agent.login for agent in agents], now)
    return agents


async def _main() -> None:
    given = child.settings()
    os.environ.update(given["environment"])
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(load_settings(), telephony=True, node="bench"))
        product = Product(services, await _agents(services, given["slots"]))
        watching = asyncio.create_task(product.watch(services.bus))
        stack.callback(watching.cancel)
        while not await services.desk.available():
            await asyncio.sleep(0.01)
        await compete(product)


if __name__ == "__main__":
    configure(level=Level.WARNING)
    uvloop.run(_main())
