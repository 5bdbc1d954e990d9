"""Calls: the callback, what it holds of the contracted channels, and its CDR rows."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from ari_app.domain.callback import Acceptance, Result, State
from ari_app.domain.ending import Disposition, Party, Reason
from db.tables.base import UtcDateTime, Word, metadata
from db.tables.legs import LegList

callback = Table(
    "callback",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("login", String(64), nullable=False),
    Column("caller_id", String(30), nullable=False),
    Column("agent_number", String(30), nullable=False),
    Column("customer_number", String(30), nullable=False),
    Column("customer_caller_id", String(30), nullable=False),
    Column("withheld", Boolean, nullable=False, server_default=false()),
    Column("acceptance", Word(Acceptance), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("node", String(64)),
    Column("state", Word(State), nullable=False),
    Column("result", Word(Result)),
    Column("reason", Word(Reason)),
    Column("ended_by", Word(Party)),
    Column("cut_by", Word(Party)),
    Column("ringing_agent_at", UtcDateTime),
    Column("agent_answered_at", UtcDateTime),
    Column("ringing_customer_at", UtcDateTime),
    Column("talking_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("legs", LegList, nullable=False),
    Index("ix_callback_created", "created_at", "id"),
    Index("ix_callback_account", "account_id", "created_at", "id"),
    Index("ix_callback_caller_id", "caller_id", "created_at", "id"),
    Index("ix_callback_customer", "customer_number", "created_at", "id"),
    Index(
        "ix_callback_open",
        "node",
        "state",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)

channel_reservation = Table(
    "channel_reservation",
    metadata,
    Column("call_id", String(32), primary_key=True),
    Column("channels", Integer, nullable=False),
    Column("account_id", Integer, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("call_id", String(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

# Asterisk's own CDR columns first, in its order, so that tools that read them read ours.
cdr = Table(
    "cdr",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("calldate", UtcDateTime, nullable=False),
    Column("clid", String(80), nullable=False, server_default=""),
    Column("src", String(80), nullable=False, server_default=""),
    Column("dst", String(80), nullable=False, server_default=""),
    Column("dcontext", String(80), nullable=False, server_default=""),
    Column("channel", String(80), nullable=False, server_default=""),
    Column("dstchannel", String(80), nullable=False, server_default=""),
    Column("lastapp", String(80), nullable=False, server_default=""),
    Column("lastdata", String(80), nullable=False, server_default=""),
    Column("start", UtcDateTime, nullable=False),
    Column("answer", UtcDateTime),
    Column("end", UtcDateTime, nullable=False),
    Column("duration", Integer, nullable=False),
    Column("billsec", Integer, nullable=False),
    Column("disposition", Word(Disposition), nullable=False),
    Column("amaflags", Integer, nullable=False, server_default="0"),
    Column("accountcode", String(80), nullable=False, server_default=""),
    Column("uniqueid", String(150), nullable=False),
    Column("linkedid", String(150), nullable=False, server_default=""),
    Column("peeraccount", String(80), nullable=False, server_default=""),
    Column("sequence", Integer, nullable=False, server_default="0"),
    Column("userfield", String(255), nullable=False, server_default=""),
    Column("recordingfile", String(255), nullable=False, server_default=""),
    Column("call_id", String(32), nullable=False),
    Column("leg", Integer, nullable=False),
    Column("caller_id", String(30), nullable=False, server_default=""),
    Column("ended_by", Word(Party), nullable=False),
    Column("cause", Integer, nullable=False),
    Column("cause_text", Text, nullable=False, server_default=""),
    Column("ring_ms", Integer),
    Column("accept_at", UtcDateTime),
    Column("bridged_at", UtcDateTime),
    Column("node", String(64), nullable=False, server_default=""),
    UniqueConstraint("call_id", "leg"),
    Index("ix_cdr_start", "start", "id"),
    Index("ix_cdr_src", "src", "start", "id"),
    Index("ix_cdr_dst", "dst", "start", "id"),
)

node = Table(
    "node",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("ready", Boolean, nullable=False, server_default=false()),
)
