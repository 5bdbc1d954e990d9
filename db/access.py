"""Sessions, tokens and failed sign-ins. Callers pass hashes; no secret reaches the database."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select

from ari_app.domain.permissions import Action
from ari_app.errors import NotFoundError
from db.engine import Database
from db.tables import api_token, login_failure, session


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser."""

    account_id: int
    csrf: str
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
        query = select(session.c.account_id, session.c.csrf, session.c.expires_at).where(
            session.c.hash == hash_, session.c.expires_at > now
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return Session(row.account_id, row.csrf, row.expires_at) if row else None

    async def close_session(self, hash_: str) -> None:
        """Sign out; a session that is gone is success."""
        async with self._database.write() as connection:
            await connection.execute(delete(session).where(session.c.hash == hash_))

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
        if row is None:
            return None
        scopes = None if row.scopes is None else frozenset(map(Action, row.scopes.split()))
        return Token(row.id, row.account_id, row.name, scopes, row.created_at, row.expires_at)

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
