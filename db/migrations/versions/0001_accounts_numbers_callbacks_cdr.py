"""Accounts, numbers, callbacks, CDR."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("topmost", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("agent", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("device_number", sa.String(length=30), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("acceptance", sa.String(length=32), nullable=True),
        sa.Column("last_caller_id", sa.String(length=30), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("login", name=op.f("uq_account_login")),
    )
    op.create_table(
        "call_center",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_center")),
        sa.UniqueConstraint("name", name=op.f("uq_call_center_name")),
    )
    op.create_table(
        "cdr",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("calldate", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clid", sa.String(length=80), server_default="", nullable=False),
        sa.Column("src", sa.String(length=80), server_default="", nullable=False),
        sa.Column("dst", sa.String(length=80), server_default="", nullable=False),
        sa.Column("dcontext", sa.String(length=80), server_default="", nullable=False),
        sa.Column("channel", sa.String(length=80), server_default="", nullable=False),
        sa.Column("dstchannel", sa.String(length=80), server_default="", nullable=False),
        sa.Column("lastapp", sa.String(length=80), server_default="", nullable=False),
        sa.Column("lastdata", sa.String(length=80), server_default="", nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration", sa.Integer(), nullable=False),
        sa.Column("billsec", sa.Integer(), nullable=False),
        sa.Column("disposition", sa.String(length=32), nullable=False),
        sa.Column("amaflags", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accountcode", sa.String(length=80), server_default="", nullable=False),
        sa.Column("uniqueid", sa.String(length=150), nullable=False),
        sa.Column("linkedid", sa.String(length=150), server_default="", nullable=False),
        sa.Column("peeraccount", sa.String(length=80), server_default="", nullable=False),
        sa.Column("sequence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("userfield", sa.String(length=255), server_default="", nullable=False),
        sa.Column("recordingfile", sa.String(length=255), server_default="", nullable=False),
        sa.Column("call_id", sa.String(length=32), nullable=False),
        sa.Column("leg", sa.Integer(), nullable=False),
        sa.Column("caller_id", sa.String(length=30), server_default="", nullable=False),
        sa.Column("ended_by", sa.String(length=32), nullable=False),
        sa.Column("cause", sa.Integer(), nullable=False),
        sa.Column("cause_text", sa.Text(), server_default="", nullable=False),
        sa.Column("ring_ms", sa.Integer(), nullable=True),
        sa.Column("accept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bridged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("node", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cdr")),
        sa.UniqueConstraint("call_id", "leg", name=op.f("uq_cdr_call_id_leg")),
    )
    with op.batch_alter_table("cdr", schema=None) as batch_op:
        batch_op.create_index("ix_cdr_dst", ["dst", "start", "id"], unique=False)
        batch_op.create_index("ix_cdr_src", ["src", "start", "id"], unique=False)
        batch_op.create_index("ix_cdr_start", ["start", "id"], unique=False)

    op.create_table(
        "channel_reservation",
        sa.Column("call_id", sa.String(length=32), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_channel_reservation")),
        sa.UniqueConstraint("account_id", name=op.f("uq_channel_reservation_account_id")),
    )
    op.create_table(
        "login_failure",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_failure")),
    )
    with op.batch_alter_table("login_failure", schema=None) as batch_op:
        batch_op.create_index("ix_login_failure_address", ["address", "at"], unique=False)
        batch_op.create_index("ix_login_failure_login", ["login", "at"], unique=False)

    op.create_table(
        "node",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_node")),
    )
    op.create_table(
        "number",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tel", sa.String(length=30), nullable=False),
        sa.Column("name", sa.String(length=120), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_number")),
        sa.UniqueConstraint("tel", name=op.f("uq_number_tel")),
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), server_default="", nullable=False),
        sa.Column("scopes", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_api_token_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_token_hash")),
    )
    with op.batch_alter_table("api_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_token_account_id"), ["account_id"], unique=False)

    op.create_table(
        "call_center_agent",
        sa.Column("call_center_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_call_center_agent_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["call_center_id"],
            ["call_center.id"],
            name=op.f("fk_call_center_agent_call_center_id_call_center"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("call_center_id", "account_id", name=op.f("pk_call_center_agent")),
    )
    with op.batch_alter_table("call_center_agent", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_call_center_agent_account_id"), ["account_id"], unique=False)

    op.create_table(
        "call_center_number",
        sa.Column("call_center_id", sa.Integer(), nullable=False),
        sa.Column("number_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["call_center_id"],
            ["call_center.id"],
            name=op.f("fk_call_center_number_call_center_id_call_center"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["number_id"], ["number.id"], name=op.f("fk_call_center_number_number_id_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("call_center_id", "number_id", name=op.f("pk_call_center_number")),
    )
    with op.batch_alter_table("call_center_number", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_call_center_number_number_id"), ["number_id"], unique=False)

    op.create_table(
        "callback",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("caller_id", sa.String(length=30), nullable=False),
        sa.Column("agent_number", sa.String(length=30), nullable=False),
        sa.Column("customer_number", sa.String(length=30), nullable=False),
        sa.Column("customer_caller_id", sa.String(length=30), nullable=False),
        sa.Column("withheld", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("acceptance", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("result", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("ended_by", sa.String(length=32), nullable=True),
        sa.Column("cut_by", sa.String(length=32), nullable=True),
        sa.Column("ringing_agent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("agent_answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ringing_customer_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("talking_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("legs", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_callback_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback")),
    )
    with op.batch_alter_table("callback", schema=None) as batch_op:
        batch_op.create_index("ix_callback_account", ["account_id", "created_at", "id"], unique=False)
        batch_op.create_index("ix_callback_caller_id", ["caller_id", "created_at", "id"], unique=False)
        batch_op.create_index("ix_callback_created", ["created_at", "id"], unique=False)
        batch_op.create_index("ix_callback_customer", ["customer_number", "created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_callback_open",
            ["node", "state"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "idempotency_key",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("call_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_idempotency_key_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "prefix",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digits", sa.String(length=2), nullable=False),
        sa.Column("number_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number_id"], ["number.id"], name=op.f("fk_prefix_number_id_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prefix")),
        sa.UniqueConstraint("digits", name=op.f("uq_prefix_digits")),
    )
    op.create_table(
        "resource_grant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_resource_grant_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_grant")),
        sa.UniqueConstraint(
            "account_id", "kind", "resource_id", name=op.f("uq_resource_grant_account_id_kind_resource_id")
        ),
    )
    op.create_table(
        "session",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_session_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_session")),
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_account_id"), ["account_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_session_account_id"))

    op.drop_table("session")
    op.drop_table("resource_grant")
    op.drop_table("prefix")
    op.drop_table("idempotency_key")
    with op.batch_alter_table("callback", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_callback_open", sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL")
        )
        batch_op.drop_index("ix_callback_customer")
        batch_op.drop_index("ix_callback_created")
        batch_op.drop_index("ix_callback_caller_id")
        batch_op.drop_index("ix_callback_account")

    op.drop_table("callback")
    with op.batch_alter_table("call_center_number", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_call_center_number_number_id"))

    op.drop_table("call_center_number")
    with op.batch_alter_table("call_center_agent", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_call_center_agent_account_id"))

    op.drop_table("call_center_agent")
    with op.batch_alter_table("api_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_token_account_id"))

    op.drop_table("api_token")
    op.drop_table("number")
    op.drop_table("node")
    with op.batch_alter_table("login_failure", schema=None) as batch_op:
        batch_op.drop_index("ix_login_failure_login")
        batch_op.drop_index("ix_login_failure_address")

    op.drop_table("login_failure")
    op.drop_table("channel_reservation")
    with op.batch_alter_table("cdr", schema=None) as batch_op:
        batch_op.drop_index("ix_cdr_start")
        batch_op.drop_index("ix_cdr_src")
        batch_op.drop_index("ix_cdr_dst")

    op.drop_table("cdr")
    op.drop_table("call_center")
    op.drop_table("account")
