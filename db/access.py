"""Sessions, tokens and failed sign-ins. Callers pass hashes; no secret reaches the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from ari_app.domain.permissions import Action
from ari_app.errors import NotFoundError
from db.engine import Database
from db.tables import api_token, login_failure, session


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser."""

    account_id: int
    csrf: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """An API token; `scopes` None: everything the account's role may."""

    id: int
    account_id: int
    name: str
    scopes: frozenset[Action] | None
    created_at: datetime
    expires_at: datetime | None


class AccessStore:
    """Who is let in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_session(self, hash_: str, account_id: int, csrf: str, now: datetime, expires_at: datetime) -> None:
        """Open a session, and forget the expired ones."""
        async with self._database.write() as connection:
            await connection.execute(delete(session).where(session.c.expires_at <= now))
            await connection.execute(
                insert(session).values(
                    hash=hash_, account_id=account_id, csrf=csrf, created_at=now, expires_at=expires_at
                )
            )

    async def session(self, hash_: str, now: datetime) -> Session | None:
        """The live session of a hash, or None."""
        query = select(session.c.account_id, session.c.csrf, session.c.created_at, session.c.expires_at).where(
            session.c.hash == hash_, session.c.expires_at > now
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return Session(row.account_id, row.csrf, row.created_at, row.expires_at) if row else None

    async def extend_session(self, hash_: str, expires_at: datetime) -> None:
        """The session lives until then; one that is gone stays gone."""
        async with self._database.write() as connection:
            await connection.execute(update(session).where(session.c.hash == hash_).values(expires_at=expires_at))

    async def close_session(self, hash_: str) -> None:
        """Sign out; a session that is gone is success."""
        async with self._database.write() as connection:
            await connection.execute(delete(session).where(session.c.hash == hash_))

    async def close_sessions(self, account_id: int) -> None:
        """Sign an account out everywhere."""
        async with self._database.write() as connection:
            await connection.execute(delete(session).where(session.c.account_id == account_id))

    async def add_token(
        self,
        hash_: str,
        account_id: int,
        name: str,
        scopes: frozenset[Action] | None,
        now: datetime,
        expires_at: datetime | None,
    ) -> Token:
        """Keep a token's hash."""
        async with self._database.write() as connection:
            id_ = (
                await connection.execute(
                    insert(api_token)
                    .values(
                        hash=hash_,
                        account_id=account_id,
                        name=name,
                        scopes=None if scopes is None else " ".join(sorted(scopes)),
                        created_at=now,
                        expires_at=expires_at,
                    )
                    .returning(api_token.c.id)
                )
            ).scalar_one()
        return Token(id_, account_id, name, scopes, now, expires_at)

    async def token(self, hash_: str, now: datetime) -> Token | None:
        """The live token of a hash, or None."""
        query = select(api_token).where(
            api_token.c.hash == hash_, (api_token.c.expires_at.is_(None)) | (api_token.c.expires_at > now)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return _token(row) if row else None

    async def tokens(self) -> list[Token]:
        """Every token, by id."""
        async with self._database.read() as connection:
            return [_token(row) for row in await connection.execute(select(api_token).order_by(api_token.c.id))]

    async def get_token(self, token_id: int) -> Token:
        """Raises NotFoundError."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(api_token).where(api_token.c.id == token_id))).first()
        if row is None:
            raise NotFoundError(value=token_id, field="token")
        return _token(row)

    async def rename_token(self, token_id: int, name: str) -> Token:
        """Raises NotFoundError."""
        async with self._database.write() as connection:
            change = update(api_token).where(api_token.c.id == token_id).values(name=name).returning(api_token)
            row = (await connection.execute(change)).first()
        if row is None:
            raise NotFoundError(value=token_id, field="token")
        return _token(row)

    async def delete_token(self, token_id: int) -> None:
        """Raises NotFoundError."""
        async with self._database.write() as connection:
            gone = await connection.execute(delete(api_token).where(api_token.c.id == token_id))
        if not gone.rowcount:
            raise NotFoundError(value=token_id, field="token")

    async def note_failure(self, login: str, address: str, now: datetime) -> None:
        """A sign-in failed."""
        async with self._database.write() as connection:
            await connection.execute(insert(login_failure).values(login=login, address=address, at=now))

    async def failures(self, login: str, address: str, since: datetime) -> tuple[int, int]:
        """Failed sign-ins since then: (of this login, from this address)."""
        count = select(func.count()).select_from(login_failure).where(login_failure.c.at > since)
        async with self._database.read() as connection:
            of_login = await connection.scalar(count.where(login_failure.c.login == login))
            from_address = await connection.scalar(count.where(login_failure.c.address == address))
        return of_login or 0, from_address or 0

    async def forget_failures(self, login: str, before: datetime) -> None:
        """A sign-in succeeded: its login's failures, and everybody's old ones, no longer count."""
        async with self._database.write() as connection:
            await connection.execute(
                delete(login_failure).where((login_failure.c.login == login) | (login_failure.c.at <= before))
            )


def _token(row: Row[Any]) -> Token:
    scopes = None if row.scopes is None else frozenset(map(Action, row.scopes.split()))
    return Token(row.id, row.account_id, row.name, scopes, row.created_at, row.expires_at)
