"""The company's numbers, prefixes and call centers."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ari_app.domain.resources import CallCenter, Number, Prefix, ResourceKind
from ari_app.errors import AlreadyExistsError, NotFoundError
from db.engine import Database
from db.tables import account, call_center, call_center_agent, call_center_number, number, prefix, resource_grant


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

    async def get(self, number_id: int) -> Number:
        """Raises NotFoundError."""
        async with self._database.read() as connection:
            return await _number(connection, number_id)

    async def rename(self, number_id: int, name: str) -> Number:
        """Raises NotFoundError."""
        async with self._database.write() as connection:
            await connection.execute(update(number).where(number.c.id == number_id).values(name=name))
            return await _number(connection, number_id)

    async def delete(self, number_id: int) -> None:
        """Remove a number with its prefixes, its bindings and the grants of it. Raises NotFoundError."""
        async with self._database.write() as connection:
            await _delete_resource(connection, number, ResourceKind.NUMBER, number_id)

    async def digits(self) -> frozenset[str]:
        """The digits of every number the company owns."""
        async with self._database.read() as connection:
            return frozenset(await connection.scalars(select(number.c.tel)))

    async def add_prefix(self, digits: str, tel: str) -> Prefix:
        """Raises NotFoundError, AlreadyExistsError."""
        async with self._database.write() as connection:
            number_id = await _number_id(connection, tel, "tel")
            try:
                row = await connection.execute(
                    insert(prefix).values(digits=digits, number_id=number_id).returning(prefix.c.id)
                )
            except IntegrityError:
                raise AlreadyExistsError(field="digits", value=digits) from None
            return Prefix(row.scalar_one(), digits, tel)

    async def all_prefixes(self) -> list[Prefix]:
        """Every prefix, by digits."""
        async with self._database.read() as connection:
            rows = await connection.execute(_PREFIXES.order_by(prefix.c.digits))
            return [Prefix(row.id, row.digits, row.tel) for row in rows]

    async def get_prefix(self, prefix_id: int) -> Prefix:
        """Raises NotFoundError."""
        async with self._database.read() as connection:
            return await _prefix(connection, prefix_id)

    async def set_prefix(self, prefix_id: int, *, digits: str | None = None, tel: str | None = None) -> Prefix:
        """Change what is given. Raises NotFoundError, AlreadyExistsError."""
        async with self._database.write() as connection:
            current = await _prefix(connection, prefix_id)
            number_id = await _number_id(connection, tel or current.tel, "tel")
            try:
                await connection.execute(
                    update(prefix)
                    .where(prefix.c.id == prefix_id)
                    .values(digits=digits or current.digits, number_id=number_id)
                )
            except IntegrityError:
                raise AlreadyExistsError(field="digits", value=digits) from None
            return await _prefix(connection, prefix_id)

    async def delete_prefix(self, prefix_id: int) -> None:
        """Raises NotFoundError."""
        async with self._database.write() as connection:
            gone = await connection.execute(delete(prefix).where(prefix.c.id == prefix_id))
        if not gone.rowcount:
            raise NotFoundError(value=prefix_id, field="prefix")

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
            await _bind_numbers(connection, center, numbers)
            await _bind_agents(connection, center, logins)
            return await _call_center(connection, center)

    async def get_call_center(self, center_id: int) -> CallCenter:
        """Raises NotFoundError."""
        async with self._database.read() as connection:
            return await _call_center(connection, center_id)

    async def set_call_center(
        self,
        center_id: int,
        *,
        name: str | None = None,
        numbers: Sequence[str] | None = None,
        logins: Sequence[str] | None = None,
    ) -> CallCenter:
        """Change what is given; lists replace the ones there were. Raises NotFoundError, AlreadyExistsError."""
        async with self._database.write() as connection:
            await _call_center(connection, center_id)
            if name is not None:
                try:
                    await connection.execute(update(call_center).where(call_center.c.id == center_id).values(name=name))
                except IntegrityError:
                    raise AlreadyExistsError(field="name", value=name) from None
            if numbers is not None:
                bound = call_center_number.c.call_center_id == center_id
                await connection.execute(delete(call_center_number).where(bound))
                await _bind_numbers(connection, center_id, numbers)
            if logins is not None:
                belongs = call_center_agent.c.call_center_id == center_id
                await connection.execute(delete(call_center_agent).where(belongs))
                await _bind_agents(connection, center_id, logins)
            return await _call_center(connection, center_id)

    async def delete_call_center(self, center_id: int) -> None:
        """Remove a call center with its bindings and the grants of it. Raises NotFoundError."""
        async with self._database.write() as connection:
            await _delete_resource(connection, call_center, ResourceKind.CALL_CENTER, center_id)

    async def unbind_number(self, name: str, tel: str) -> None:
        """Take a number off a call center. Raises NotFoundError."""
        async with self._database.write() as connection:
            number_id = await _number_id(connection, tel, "number")
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
            return await _call_centers(connection)


_PREFIXES = select(prefix.c.id, prefix.c.digits, number.c.tel).join(number)


async def _number(connection: AsyncConnection, number_id: int) -> Number:
    query = select(number.c.id, number.c.tel, number.c.name).where(number.c.id == number_id)
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFoundError(value=number_id, field="number")
    return Number(row.id, row.tel, row.name)


async def _prefix(connection: AsyncConnection, prefix_id: int) -> Prefix:
    row = (await connection.execute(_PREFIXES.where(prefix.c.id == prefix_id))).first()
    if row is None:
        raise NotFoundError(value=prefix_id, field="prefix")
    return Prefix(row.id, row.digits, row.tel)


async def _call_center(connection: AsyncConnection, center_id: int) -> CallCenter:
    found = await _call_centers(connection, center_id)
    if not found:
        raise NotFoundError(value=center_id, field="callcenter")
    return found[0]


async def _call_centers(connection: AsyncConnection, center_id: int | None = None) -> list[CallCenter]:
    """Every call center, or one, in three queries whatever their number."""
    centers_query = select(call_center.c.id, call_center.c.name).order_by(call_center.c.name)
    numbers_query = select(call_center_number.c.call_center_id, number.c.tel).join(number).order_by(number.c.tel)
    agents_query = select(call_center_agent.c.call_center_id, account.c.login).join(account).order_by(account.c.login)
    if center_id is not None:
        centers_query = centers_query.where(call_center.c.id == center_id)
        numbers_query = numbers_query.where(call_center_number.c.call_center_id == center_id)
        agents_query = agents_query.where(call_center_agent.c.call_center_id == center_id)
    centers = {row.id: CallCenter(row.id, row.name) for row in await connection.execute(centers_query)}
    for row in await connection.execute(numbers_query):
        centers[row.call_center_id].numbers.append(row.tel)
    for row in await connection.execute(agents_query):
        centers[row.call_center_id].agents.append(row.login)
    return list(centers.values())


async def _bind_numbers(connection: AsyncConnection, center_id: int, numbers: Sequence[str]) -> None:
    for tel in dict.fromkeys(numbers):
        number_id = await _number_id(connection, tel, "numbers")
        await connection.execute(insert(call_center_number).values(call_center_id=center_id, number_id=number_id))


async def _bind_agents(connection: AsyncConnection, center_id: int, logins: Sequence[str]) -> None:
    for login in dict.fromkeys(logins):
        account_id = await connection.scalar(select(account.c.id).where(account.c.login == login))
        if account_id is None:
            raise NotFoundError(value=login, field="agents")
        await connection.execute(insert(call_center_agent).values(call_center_id=center_id, account_id=account_id))


async def _number_id(connection: AsyncConnection, tel: str, field: str) -> int:
    found: int | None = await connection.scalar(select(number.c.id).where(number.c.tel == tel))
    if found is None:
        raise NotFoundError(value=tel, field=field)
    return found


async def _delete_resource(connection: AsyncConnection, table: Table, kind: ResourceKind, id_: int) -> None:
    # A grant names its resource by kind and id, which no foreign key can hold; an id may come back on SQLite.
    await connection.execute(
        delete(resource_grant).where(resource_grant.c.kind == kind, resource_grant.c.resource_id == id_)
    )
    gone = await connection.execute(delete(table).where(table.c.id == id_))
    if not gone.rowcount:
        raise NotFoundError(value=id_, field=kind.value)
