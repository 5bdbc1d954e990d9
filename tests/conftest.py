"""Databases for every test that wants one: SQLite and a private PostgreSQL, each test on a fresh copy of the schema."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from db import schema
from db.engine import Database, open_database

DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
SERVER_SETTINGS = {
    "listen_addresses": "",  # the socket is enough, and takes no port from anybody
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "timezone": "UTC",
}
TEMPLATE = "kakehashi_template"


class PostgresCluster:
    """A private PostgreSQL server on a socket in a directory of its own, gone with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._data = directory / "data"
        # PostgreSQL refuses to run as root.
        self._user = _unprivileged_user() if os.geteuid() == 0 else None

    def start(self) -> None:
        """Create the cluster and run it."""
        if self._user:
            shutil.chown(self.directory, self._user)
        self._run("initdb", f"--pgdata={self._data}", "--username=kakehashi", "--auth=trust", "--encoding=UTF8",
                  "--locale=C.UTF-8", "--no-sync", "--no-instructions")  # fmt: skip
        lines = [f"{name} = '{value}'" for name, value in SERVER_SETTINGS.items()]
        lines.append(f"unix_socket_directories = '{self.directory}'")
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write("\n".join(lines) + "\n")
        self.restart()

    def restart(self) -> None:
        """Run it again after `stop`."""
        log = self.directory / "log"
        self._run("pg_ctl", "start", "--wait", f"--pgdata={self._data}", f"--log={log}", "--silent")

    def stop(self) -> None:
        """End it, whatever is connected."""
        self._run("pg_ctl", "stop", "--wait", f"--pgdata={self._data}", "--mode=immediate", "--silent")

    def create(self, name: str, template: str = "template1") -> str:
        """A new database, a copy of `template`; returns its URL."""
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return f"postgresql://kakehashi@/{name}?host={self.directory}"

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def sql(self, statement: str) -> None:
        """Run a statement as the administrator."""
        self._run("psql", "--host", str(self.directory), "--username=kakehashi", "--dbname=postgres", "--quiet",
                  "--no-psqlrc", "--command", statement)  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        command = [_postgres_program(program), *arguments]
        if self._user and program != "psql":
            command = ["runuser", "-u", self._user, "--", *command]
        # A file, not a pipe: the server that pg_ctl leaves behind would hold a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output:
            ran = subprocess.run(command, stdout=output, stderr=output, cwd=self.directory, check=False)
            if ran.returncode:
                output.seek(0)
                pytest.fail(f"{program} failed: {output.read()}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """A PostgreSQL server for this test run."""
    # Not under pytest's own directory: that one is closed to the server's user, and its path too long for a socket.
    with tempfile.TemporaryDirectory(prefix="kakehashi-pg-", ignore_cleanup_errors=True) as directory:
        cluster = PostgresCluster(Path(directory))
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresCluster) -> str:
    """The name of a database that has this version's schema."""
    _upgrade(postgres.create(TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that has this version's schema."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    _upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database with the schema."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'kakehashi.db')}"


@pytest.fixture
def postgres_url(postgres: PostgresCluster, postgres_template: str) -> Iterator[str]:
    """A fresh PostgreSQL database with the schema."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres.create(name, postgres_template)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with the schema; a test that asks for it runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """`database_url`, opened."""
    async with open_database(database_url) as opened:
        yield opened


def _upgrade(url: str) -> None:
    async def upgrade() -> None:
        async with open_database(url) as database:
            await schema.upgrade(database)

    asyncio.run(upgrade())


def _postgres_program(name: str) -> str:
    """Debian keeps the server's programs off the PATH, by version; the newest counts."""
    versions = sorted(DEBIAN_POSTGRES.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: `make test` installs PostgreSQL (apt-get install postgresql)")
    return found


def _unprivileged_user() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"
