"""How far the jobs have come."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_position",
        sa.Column("job", sa.String(length=100), nullable=False),
        sa.Column("position", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_job_position")),
    )


def downgrade() -> None:
    op.drop_table("job_position")
