"""The company's numbers, prefixes and call centers."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ari_app.domain.prefix import Prefixes
from ari_app.domain.resources import CallCenter, Number, Prefix
from ari_app.errors import AlreadyExistsError, NotFoundError
from db.engine import Database
from db.tables import account, call_center, call_center_agent, call_center_number, number, prefix


class NumberStore:
    """Numbers and what they are bound to; digits come normalised and checked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tel: str, name: str, now: datetime) -> Number:
        """Raises AlreadyExistsError."""
        async with self._database.write() as connection:
            try:
                row = await connection.execute(
                    insert(number).values(tel=tel, name=name, created_at=now).returning(number.c.id)
                )
            except IntegrityError:
                raise AlreadyExistsError(field="tel", value=tel) from None
            return Number(row.scalar_one(), tel, name)

    async def all(self) -> list[Number]:
        """Every number, by digits."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(number.c.id, number.c.tel, number.c.name).order_by(number.c.tel))
            return [Number(row.id, row.tel, row.name) for row in rows]

    async def digits(self) -> frozenset[str]:
        """The digits of every number the company owns."""
        async with self._database.read() as connection:
            return frozenset(await connection.scalars(select(number.c.tel)))

    async def add_prefix(self, digits: str, tel: str) -> Prefix:
        """Raises NotFoundError, AlreadyExistsError."""
        async with self._database.write() as connection:
            number_id = await _number_id(connection, tel)
            try:
                row = await connection.execute(
                    insert(prefix).values(digits=digits, number_id=number_id).returning(prefix.c.id)
                )
            except IntegrityError:
                raise AlreadyExistsError(field="digits", value=digits) from None
            return Prefix(row.scalar_one(), digits, tel)

    async def all_prefixes(self) -> list[Prefix]:
        """Every prefix, by digits."""
        query = select(prefix.c.id, prefix.c.digits, number.c.tel).join(number).order_by(prefix.c.digits)
        async with self._database.read() as connection:
            return [Prefix(row.id, row.digits, row.tel) for row in await connection.execute(query)]

    async def prefixes(self) -> Prefixes:
        """The prefixes as dialling reads them."""
        return Prefixes({prefix.digits: prefix.tel for prefix in await self.all_prefixes()})

    async def add_call_center(
        self, name: str, numbers: Sequence[str], logins: Sequence[str], now: datetime
    ) -> CallCenter:
        """Raises NotFoundError for an unknown number or login, AlreadyExistsError."""
        async with self._database.write() as connection:
            try:
                center = (
                    await connection.execute(
                        insert(call_center).values(name=name, created_at=now).returning(call_center.c.id)
                    )
                ).scalar_one()
            except IntegrityError:
                raise AlreadyExistsError(field="name", value=name) from None
            for tel in dict.fromkeys(numbers):
                await connection.execute(
                    insert(call_center_number).values(
                        call_center_id=center, number_id=await _number_id(connection, tel)
                    )
                )
            for login in dict.fromkeys(logins):
                await connection.execute(
                    insert(call_center_agent).values(
                        call_center_id=center, account_id=await _account_id(connection, login)
                    )
                )
        return CallCenter(center, name, list(dict.fromkeys(numbers)), list(dict.fromkeys(logins)))

    async def unbind_number(self, name: str, tel: str) -> None:
        """Take a number off a call center. Raises NotFoundError."""
        async with self._database.write() as connection:
            number_id = await _number_id(connection, tel)
            center = await connection.scalar(select(call_center.c.id).where(call_center.c.name == name))
            gone = await connection.execute(
                delete(call_center_number).where(
                    call_center_number.c.call_center_id == center, call_center_number.c.number_id == number_id
                )
            )
            if not gone.rowcount:
                raise NotFoundError(value=name, field="name")

    async def all_call_centers(self) -> list[CallCenter]:
        """Every call center with its numbers and agents, by name."""
        async with self._database.read() as connection:
            centers = {
                row.id: CallCenter(row.id, row.name)
                for row in await connection.execute(
                    select(call_center.c.id, call_center.c.name).order_by(call_center.c.name)
                )
            }
            for row in await connection.execute(
                select(call_center_number.c.call_center_id, number.c.tel).join(number).order_by(number.c.tel)
            ):
                centers[row.call_center_id].numbers.append(row.tel)
            for row in await connection.execute(
                select(call_center_agent.c.call_center_id, account.c.login).join(account).order_by(account.c.login)
            ):
                centers[row.call_center_id].agents.append(row.login)
        return list(centers.values())


async def _number_id(connection: AsyncConnection, tel: str) -> int:
    found: int | None = await connection.scalar(select(number.c.id).where(number.c.tel == tel))
    if found is None:
        raise NotFoundError(value=tel, field="number")
    return found


async def _account_id(connection: AsyncConnection, login: str) -> int:
    found: int | None = await connection.scalar(select(account.c.id).where(account.c.login == login))
    if found is None:
        raise NotFoundError(value=login, field="agent")
    return found
