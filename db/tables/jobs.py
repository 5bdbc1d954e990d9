"""How far the jobs have come."""

from sqlalchemy import Column, String, Table

from db.tables.base import metadata

job_position = Table(
    "job_position",
    metadata,
    Column("job", String(100), primary_key=True),
    Column("position", String(64), nullable=False),
)
