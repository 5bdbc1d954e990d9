"""Accounts: who they are, what they are granted, which numbers they may show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    RowMapping,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ari_app.domain.account import Account, Role
from ari_app.domain.resources import Grant, Level, ResourceKind
from ari_app.errors import AlreadyExistsError, InUseError, InvalidInputError, NotFoundError, TopmostAccountError
from db.engine import Database
from db.reach import granted_numbers
from db.tables import (
    account,
    call_center,
    call_center_agent,
    call_center_number,
    number,
    resource_grant,
)

_COLUMNS = [column for column in account.c if column.name not in ("password_hash", "created_at")]
_RESOURCES = {
    ResourceKind.NUMBER: (number, number.c.tel),
    ResourceKind.CALL_CENTER: (call_center, call_center.c.name),
}


@dataclass(frozen=True, slots=True)
class CallerId:
    """A number an account may show: digits and name."""

    tel: str
    name: str


class AccountStore:
    """Accounts, each method one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, values: Mapping[str, Any], now: datetime) -> Account:
        """Add an account; the first administrator is the topmost. Raises AlreadyExistsError, TopmostAccountError."""
        async with self._database.write() as connection:
            return await _add(connection, values, now)

    async def add_all(self, accounts: Sequence[Mapping[str, Any]], now: datetime) -> list[Account]:
        """Add all of them or none. Raises what `add` raises."""
        async with self._database.write() as connection:
            return [await _add(connection, values, now) for values in accounts]

    async def set(self, login: str, values: Mapping[str, Any]) -> Account:
        """Change columns of an account. Raises NotFoundError."""
        async with self._database.write() as connection:
            result = await connection.execute(
                update(account).where(account.c.login == login).values(**values).returning(*_COLUMNS)
            )
            row = result.mappings().first()
        if row is None:
            raise NotFoundError(value=login, field="login")
        return _account(row)

    async def delete(self, account_id: int) -> None:
        """Remove an account with its grants, sessions and tokens; one that has called stays, for its callbacks name it.

        Raises NotFoundError, TopmostAccountError, InUseError.
        """
        async with self._database.write() as connection:
            key = account.c.id == account_id
            row = (await connection.execute(select(account.c.login, account.c.topmost).where(key))).first()
            if row is None:
                raise NotFoundError(value=account_id, field="account")
            if row.topmost:
                raise TopmostAccountError(field="account")
            try:
                await connection.execute(delete(account).where(key))
            except IntegrityError:
                raise InUseError(value=row.login) from None

    async def get(self, account_id: int) -> Account:
        """Raises NotFoundError."""
        return await self._one(account.c.id == account_id, account_id)

    async def by_login(self, login: str) -> Account:
        """Raises NotFoundError."""
        return await self._one(account.c.login == login, login)

    async def all(self) -> list[Account]:
        """Every account, by login."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(*_COLUMNS).order_by(account.c.login))
            return [_account(row) for row in rows.mappings()]

    async def password_hash(self, login: str) -> tuple[int, str] | None:
        """(account id, argon2 hash) of an account that may sign in, None where there is none."""
        query = select(account.c.id, account.c.password_hash).where(
            account.c.login == login, account.c.disabled_at.is_(None), account.c.password_hash.is_not(None)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return (row.id, row.password_hash) if row else None

    async def caller_ids(self, who: Account) -> list[CallerId]:
        """The numbers the account may show: bound to a call center that is its own, or granted, or any for an admin."""
        async with self._database.read() as connection:
            rows = await connection.execute(usable_numbers(who), {"account_id": who.id})
            return [CallerId(row.tel, row.name) for row in rows]

    async def granted_numbers(self, account_id: int) -> frozenset[str]:
        """The digits of the numbers the account is granted: the rows that `Reach.GRANTED` sees show one of them."""
        async with self._database.read() as connection:
            return frozenset(await connection.scalars(granted_numbers(account_id)))

    async def grant(self, login: str, kind: ResourceKind, resource: str, level: Level) -> Grant:
        """Grant a resource, or change the level of a grant. Raises NotFoundError, InvalidInputError."""
        if kind not in _RESOURCES:
            raise InvalidInputError(field="kind")
        who = await self.by_login(login)
        table, name = _RESOURCES[kind]
        async with self._database.write() as connection:
            resource_id = await connection.scalar(select(table.c.id).where(name == resource))
            if resource_id is None:
                raise NotFoundError(value=resource, field="resource")
            key = (
                (resource_grant.c.account_id == who.id)
                & (resource_grant.c.kind == kind)
                & (resource_grant.c.resource_id == resource_id)
            )
            change = update(resource_grant).where(key).values(level=level).returning(resource_grant.c.id)
            id_ = await connection.scalar(change)
            if id_ is None:
                id_ = await connection.scalar(
                    insert(resource_grant)
                    .values(account_id=who.id, kind=kind, resource_id=resource_id, level=level)
                    .returning(resource_grant.c.id)
                )
        return Grant(id_, login, kind, resource, level)

    async def grants(self, login: str | None = None) -> list[Grant]:
        """The grants of one account, or of all."""
        query = _GRANTS.order_by(account.c.login, resource_grant.c.kind, "resource")
        if login is not None:
            query = query.where(account.c.login == login)
        async with self._database.read() as connection:
            return [Grant(**row) for row in (await connection.execute(query)).mappings()]

    async def get_grant(self, grant_id: int) -> Grant:
        """Raises NotFoundError."""
        async with self._database.read() as connection:
            return await _grant(connection, grant_id)

    async def set_grant(self, grant_id: int, level: Level) -> Grant:
        """Change a grant's level. Raises NotFoundError."""
        async with self._database.write() as connection:
            await connection.execute(update(resource_grant).where(resource_grant.c.id == grant_id).values(level=level))
            return await _grant(connection, grant_id)

    async def revoke(self, grant_id: int) -> None:
        """Raises NotFoundError."""
        async with self._database.write() as connection:
            gone = await connection.execute(delete(resource_grant).where(resource_grant.c.id == grant_id))
        if not gone.rowcount:
            raise NotFoundError(value=grant_id, field="grant")

    async def _one(self, where: Any, value: object) -> Account:
        async with self._database.read() as connection:
            row = (await connection.execute(select(*_COLUMNS).where(where))).mappings().first()
        if row is None:
            raise NotFoundError(value=value, field="account")
        return _account(row)


_GRANTS = (
    select(
        resource_grant.c.id,
        account.c.login,
        resource_grant.c.kind,
        func.coalesce(number.c.tel, call_center.c.name).label("resource"),
        resource_grant.c.level,
    )
    .join(account, account.c.id == resource_grant.c.account_id)
    .outerjoin(
        number,
        (resource_grant.c.kind == ResourceKind.NUMBER) & (number.c.id == resource_grant.c.resource_id),
    )
    .outerjoin(
        call_center,
        (resource_grant.c.kind == ResourceKind.CALL_CENTER) & (call_center.c.id == resource_grant.c.resource_id),
    )
)


async def _grant(connection: AsyncConnection, grant_id: int) -> Grant:
    row = (await connection.execute(_GRANTS.where(resource_grant.c.id == grant_id))).mappings().first()
    if row is None:
        raise NotFoundError(value=grant_id, field="grant")
    return Grant(**row)


async def _add(connection: AsyncConnection, values: Mapping[str, Any], now: datetime) -> Account:
    others = await connection.scalar(select(func.count()).select_from(account).where(account.c.role == Role.ADMIN))
    topmost = values["role"] == Role.ADMIN and not others
    if topmost and values.get("agent"):
        raise TopmostAccountError(field="agent")
    try:
        result = await connection.execute(
            insert(account).values(**values, topmost=topmost, created_at=now).returning(*_COLUMNS)
        )
    except IntegrityError:
        raise AlreadyExistsError(field="login", value=values["login"]) from None
    return _account(result.mappings().one())


def usable_numbers(who: Account) -> Select[tuple[str, str]]:
    """Digits and name of the numbers the account may show; to be run with `account_id`."""
    return _ANY_BOUND if who.role is Role.ADMIN else _OWN_BOUND


def _bound_to(who: ColumnElement[int]) -> CompoundSelect[tuple[int]]:
    own = _BOUND.join(
        call_center_agent, call_center_agent.c.call_center_id == call_center_number.c.call_center_id
    ).where(call_center_agent.c.account_id == who)
    by_grant = _BOUND.join(
        resource_grant,
        (resource_grant.c.account_id == who)
        & or_(
            (resource_grant.c.kind == ResourceKind.CALL_CENTER)
            & (resource_grant.c.resource_id == call_center_number.c.call_center_id),
            (resource_grant.c.kind == ResourceKind.NUMBER)
            & (resource_grant.c.resource_id == call_center_number.c.number_id),
        ),
    )
    return union(own, by_grant)


# Built once: they are on the path of every order, and building costs as much as running.
_BOUND = select(call_center_number.c.number_id)
_NUMBERS = select(number.c.tel, number.c.name).order_by(number.c.tel)
_ANY_BOUND = _NUMBERS.where(number.c.id.in_(_BOUND))
_OWN_BOUND = _NUMBERS.where(number.c.id.in_(_bound_to(bindparam("account_id", type_=Integer))))


def _account(row: RowMapping) -> Account:
    return Account(**row)
