"""The company's numbers, prefixes and call centers."""

from sqlalchemy import Column, ForeignKey, Integer, String, Table

from db.tables.base import UtcDateTime, metadata

number = Table(
    "number",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tel", String(30), nullable=False, unique=True),
    Column("name", String(120), nullable=False, server_default=""),
    Column("created_at", UtcDateTime, nullable=False),
)

prefix = Table(
    "prefix",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digits", String(2), nullable=False, unique=True),
    Column("number_id", ForeignKey("number.id", ondelete="CASCADE"), nullable=False),
)

call_center = Table(
    "call_center",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(60), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
)

call_center_number = Table(
    "call_center_number",
    metadata,
    Column("call_center_id", ForeignKey("call_center.id", ondelete="CASCADE"), primary_key=True),
    Column("number_id", ForeignKey("number.id", ondelete="CASCADE"), primary_key=True, index=True),
)

call_center_agent = Table(
    "call_center_agent",
    metadata,
    Column("call_center_id", ForeignKey("call_center.id", ondelete="CASCADE"), primary_key=True),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, index=True),
)
