"""Returned calls."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "returned_call",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("customer_number", sa.String(length=30), nullable=False),
        sa.Column("called_number", sa.String(length=30), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("agent_number", sa.String(length=30), nullable=False),
        sa.Column("acceptance", sa.String(length=32), nullable=False),
        sa.Column("talking_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notice_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("ended_by", sa.String(length=32), nullable=True),
        sa.Column("legs", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_returned_call_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returned_call")),
    )
    with op.batch_alter_table("returned_call", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_returned_call_account_id"), ["account_id"], unique=False)
        batch_op.create_index("ix_returned_call_created", ["created_at", "id"], unique=False)
        batch_op.create_index("ix_returned_call_customer", ["customer_number", "created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_returned_call_open",
            ["node"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("returned_call", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_returned_call_open",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.drop_index("ix_returned_call_customer")
        batch_op.drop_index("ix_returned_call_created")
        batch_op.drop_index(batch_op.f("ix_returned_call_account_id"))

    op.drop_table("returned_call")
