"""Accounts and what they are granted."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, UniqueConstraint, false

from ari_app.domain.account import Device, Role
from ari_app.domain.callback import Acceptance
from ari_app.domain.resources import Level, ResourceKind
from db.tables.base import UtcDateTime, Word, metadata

account = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("login", String(64), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("role", Word(Role), nullable=False),
    Column("topmost", Boolean, nullable=False, server_default=false()),
    Column("agent", Boolean, nullable=False, server_default=false()),
    Column("device", Word(Device), nullable=False),
    Column("device_number", String(30)),
    Column("email", String(254)),
    Column("acceptance", Word(Acceptance)),
    Column("last_caller_id", String(30)),
    Column("language", String(8)),
    Column("password_hash", String(255)),
    Column("verified_at", UtcDateTime),
    Column("disabled_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
)

resource_grant = Table(
    "resource_grant",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Word(ResourceKind), nullable=False),
    Column("resource_id", Integer, nullable=False),
    Column("level", Word(Level), nullable=False),
    UniqueConstraint("account_id", "kind", "resource_id"),
)
