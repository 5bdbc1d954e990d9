"""The schema's life: upgrade, downgrade, check, by alembic."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from ari_app.errors import SchemaNewerError
from db.engine import Database
from db.tables import metadata

SCHEMA_LOCK = 0x4B414B46
_MIGRATIONS = Path(__file__).parent / "migrations"


async def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema up to `revision`; several processes may ask at once. Raises SchemaNewerError."""

    def run(config: Config) -> None:
        _refuse_newer(config)
        command.upgrade(config, revision)

    await _run(database, run)


async def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision` ("base": nothing)."""
    await _run(database, lambda config: command.downgrade(config, revision))


async def differences(database: Database) -> list[str]:
    """What stands between the database and this version's tables: pending revisions, or unequal columns."""
    head = ScriptDirectory.from_config(_config()).get_current_head()

    def compare(connection: Connection) -> list[str]:
        context = MigrationContext.configure(connection)
        current = context.get_current_revision()
        if current != head:
            return [f"schema {current or 'empty'}, this version needs {head}"]
        return [str(difference) for difference in compare_metadata(context, metadata)]

    async with database.read() as connection:
        return await connection.run_sync(compare)


def _refuse_newer(config: Config) -> None:
    current = MigrationContext.configure(config.attributes["connection"]).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaNewerError(revision=current)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


async def _run(database: Database, operation: Callable[[Config], None]) -> None:
    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        operation(config)

    async with database.write() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": SCHEMA_LOCK})
        await connection.run_sync(run)
