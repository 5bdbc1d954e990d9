"""How far a job has come: it survives the process."""

from sqlalchemy import insert, select, update

from db.engine import Database
from db.tables import job_position


class JobPositions:
    """A text by the name of a job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, job: str) -> str | None:
        """Where the job stopped, None before its first time."""
        query = select(job_position.c.position).where(job_position.c.job == job)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar()

    async def set(self, job: str, position: str) -> None:
        """Keep where the job is now."""
        async with self._database.write() as connection:
            moved = await connection.execute(
                update(job_position).where(job_position.c.job == job).values(position=position)
            )
            if not moved.rowcount:
                await connection.execute(insert(job_position).values(job=job, position=position))
