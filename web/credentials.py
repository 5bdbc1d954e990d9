"""Passwords, session keys and API tokens: made, hashed, verified."""

import asyncio
import hashlib
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

TOKEN_PREFIX = "kks_"  # noqa: S105 - lets secret scanners recognise a leaked token
SECRET_BYTES = 32

_hasher = PasswordHasher()


async def hash_password(password: str) -> str:
    """An argon2id hash. Takes ~50 ms of a thread."""
    return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(hash_: str | None, password: str) -> bool:
    """Whether the password fits; for an unknown account (None) as slow as for a known one."""
    return await asyncio.to_thread(_verify, hash_, password)


def new_secret() -> str:
    """A session key or CSRF token."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_token() -> str:
    """An API token."""
    return TOKEN_PREFIX + new_secret()


def fingerprint(secret: str) -> str:
    """What is kept of a secret: its SHA-256 in hexadecimal. The secrets are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(new_secret())


def _verify(hash_: str | None, password: str) -> bool:
    try:
        return _hasher.verify(hash_ or _nobodys_hash(), password) and hash_ is not None
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
