"""Returned calls: customers who rang a number that had been shown to them."""

from sqlalchemy import Column, ForeignKey, Index, String, Table, text

from ari_app.domain.callback import Acceptance
from ari_app.domain.ending import Party, Reason
from db.tables.base import UtcDateTime, Word, metadata
from db.tables.legs import LegList

returned_call = Table(
    "returned_call",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("customer_number", String(30), nullable=False),
    Column("called_number", String(30), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("node", String(64), nullable=False),
    Column("account_id", ForeignKey("account.id"), index=True),
    Column("login", String(64), nullable=False),
    Column("agent_number", String(30), nullable=False),
    Column("acceptance", Word(Acceptance), nullable=False),
    Column("talking_at", UtcDateTime),
    Column("notice_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("reason", Word(Reason)),
    Column("ended_by", Word(Party)),
    Column("legs", LegList, nullable=False),
    Index("ix_returned_call_created", "created_at", "id"),
    Index("ix_returned_call_customer", "customer_number", "created_at", "id"),
    Index(
        "ix_returned_call_open",
        "node",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)
