"""Run an Asterisk of its own from the rootfs: start, stop, status, command line. Several run side by side.

An instance is a directory: etc/ (rendered), lib/, log/, spool/, run/, credentials.json and pid. It runs in a
mount namespace of its own, so that its mounts end with it.
"""

import base64
import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ari_app.asterisk.config import (
    Connection,
    InstanceConfig,
    expected_connection,
    own,
    render,
    stored_connection,
    write_private,
)
from ari_app.asterisk.rootfs import DOCKER_DIR, PRIVILEGED, PROJECT, rootfs_path
from ari_app.errors import (
    AsteriskConflictError,
    AsteriskNotRunningError,
    AsteriskStartError,
    PortInUseError,
    RootfsMissingError,
)

LAUNCH = DOCKER_DIR / "launch.sh"
SOUNDS = PROJECT / "sounds"

START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0
POLL_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Status:
    """What an instance is doing. Only `running` and `dir` are known of one that is down."""

    running: bool
    dir: str
    pid: int | None = None
    version: str | None = None
    uptime_s: int | None = None
    channels: int | None = None
    sip_port: int | None = None
    http_port: int | None = None
    ami_port: int | None = None
    rtp_ports: tuple[int, int] | None = None
    trunk: str | None = None


def start(config: InstanceConfig, *, state_file: Path | None = None) -> Connection:
    """Run the instance, detached, and return once it is fully booted and ARI answers.

    Harmless when it runs already. `state_file` receives the connection too (mode 0600), for `serve` to find.
    Raises RootfsMissingError, PortInUseError, AsteriskConflictError, AsteriskStartError.
    """
    rootfs = rootfs_path()
    if not (rootfs / "usr/sbin/asterisk").exists():
        raise RootfsMissingError(path=rootfs)
    config.dir.mkdir(parents=True, exist_ok=True)
    with _only_one(config.dir):
        connection = expected_connection(config)
        if _running_pid(config.dir) is None:
            _check_ports(config)
            connection = render(config)
            _launch(config.dir, rootfs)
            _wait_until_ready(connection)
        else:
            _check_same(connection, config.dir)
    if state_file is not None:
        keep_connection(connection, state_file)
    return connection


def stop(directory: Path) -> bool:
    """End the instance of `directory`, its calls included. Returns whether it was running."""
    pid = _running_pid(directory)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    if not _wait(lambda: _running_pid(directory) is None, STOP_LIMIT_S):
        os.kill(pid, signal.SIGKILL)
        _wait(lambda: _running_pid(directory) is None, STOP_LIMIT_S)
    (directory / "pid").unlink()
    return True


def keep_connection(connection: Connection, state_file: Path) -> None:
    """Write the connection, secrets included, to `state_file` (mode 0600), where `serve` looks for it."""
    state_file.parent.mkdir(parents=True, exist_ok=True)
    write_private(state_file, json.dumps(asdict(connection), indent=2) + "\n")


def status(directory: Path) -> Status:
    """Ask the instance of `directory` how it is."""
    pid, connection = _running_pid(directory), stored_connection(directory)
    if pid is None or connection is None:
        return Status(running=False, dir=str(directory))
    info = ari_get(connection, "/asterisk/info")
    booted = datetime.fromisoformat(info["status"]["startup_time"])
    return Status(
        running=True,
        dir=str(directory),
        pid=pid,
        version=info["system"]["version"],
        uptime_s=int((datetime.now(UTC) - booted).total_seconds()),
        channels=len(ari_get(connection, "/channels")),
        sip_port=connection.sip_port,
        http_port=connection.http_port,
        ami_port=connection.ami_port,
        rtp_ports=connection.rtp_ports,
        trunk=connection.trunk,
    )


def console_command(directory: Path, *arguments: str) -> list[str]:
    """The command that runs `asterisk ARGUMENTS` beside the instance: ["-rx", "core show channels"], ["-r"]."""
    return _inside(directory, "/usr/sbin/asterisk", *arguments)


def unseen(directory: Path, files: Sequence[str]) -> list[str]:
    """Which of the files, by absolute path, the instance cannot find where it runs."""
    ran = subprocess.run(  # noqa: S603
        _inside(directory, "/bin/ls", "--", *files), capture_output=True, text=True, check=False
    )
    seen = set(ran.stdout.splitlines())
    return [file for file in files if file not in seen]


def command(directory: Path, text: str) -> str:
    """Run one Asterisk CLI command and return what it prints."""
    ran = subprocess.run(  # noqa: S603
        console_command(directory, "-rx", text), capture_output=True, text=True, check=True
    )
    return ran.stdout


def _inside(directory: Path, *command: str) -> list[str]:
    pid = _running_pid(directory)
    if pid is None:
        raise AsteriskNotRunningError(dir=directory)
    enter = ["nsenter", f"--target={pid}", "--mount", "--root", "--wd=/"]
    return [*PRIVILEGED, *enter, "--", *command]


def _launch(directory: Path, rootfs: Path) -> None:
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        uid, gid = _asterisk_user(rootfs)
        own(directory, uid, gid)
    (directory / "pid").unlink(missing_ok=True)
    isolated = ("setsid", "--fork", "unshare", "--mount", "--propagation", "private")
    with (directory / "console.log").open("w") as log:
        subprocess.run(  # noqa: S603
            [
                *PRIVILEGED,
                *isolated,
                str(LAUNCH),
                str(rootfs),
                str(directory.absolute()),
                str(SOUNDS),
                f"{uid}:{gid}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
        )


def _wait_until_ready(connection: Connection) -> None:
    directory = Path(connection.dir)

    def ready() -> bool:
        try:
            ari_get(connection, "/asterisk/info")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def launched() -> bool:
        return (directory / "pid").exists()

    def ended() -> bool:
        return launched() and _running_pid(directory) is None

    if not _wait(lambda: ready() or ended(), START_LIMIT_S) or ended():
        stop(directory)
        raise AsteriskStartError(reason=_last_words(directory), log=directory / "console.log")
    command(directory, "core waitfullybooted")


def _last_words(directory: Path) -> str:
    lines = (directory / "console.log").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"{START_LIMIT_S:.0f} 秒以内に応答がありません"


def _running_pid(directory: Path) -> int | None:
    """The pid of the instance, if the process that was started is the one that has this pid now."""
    try:
        pid, started = (directory / "pid").read_text().split()
        stat = Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): the first field after the name is the 3rd. A dead first thread is a zombie while others still close up.
    state, threads, now_started = (stat.rpartition(")")[2].split()[field - 3] for field in (3, 20, 22))
    gone = state == "Z" and int(threads) <= 1
    return int(pid) if now_started == started and not gone else None


def _check_ports(config: InstanceConfig) -> None:
    wanted = [
        (socket.SOCK_DGRAM, config.bind, config.sip_port),
        (socket.SOCK_STREAM, "127.0.0.1", config.http_port),
        (socket.SOCK_STREAM, "127.0.0.1", config.ami_port),
    ]
    for kind, host, port in wanted:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise PortInUseError(address=f"{host}:{port}") from error


def _check_same(wanted: Connection, directory: Path) -> None:
    stored = stored_connection(directory)
    have = asdict(stored) if stored else {}
    keys = ("sip_bind", "sip_port", "http_port", "ami_port", "rtp_ports", "trunk")
    different = [f"{key}={have.get(key)}" for key in keys if have.get(key) != getattr(wanted, key)]
    if different:
        raise AsteriskConflictError(dir=directory, difference=", ".join(different))


def _asterisk_user(rootfs: Path) -> tuple[int, int]:
    for line in (rootfs / "etc/passwd").read_text().splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if name == "asterisk":
            return int(uid), int(gid)
    raise RootfsMissingError(path=rootfs)


def ari_get(connection: Connection, path: str) -> Any:
    login = base64.b64encode(f"{connection.ari_username}:{connection.ari_password}".encode()).decode()
    with closing(http.client.HTTPConnection("127.0.0.1", connection.http_port, timeout=5)) as http_connection:
        http_connection.request("GET", f"/ari{path}", headers={"Authorization": f"Basic {login}"})
        response = http_connection.getresponse()
        if response.status != 200:
            raise http.client.HTTPException(f"{response.status} {response.reason}")
        return json.load(response)


def _wait(condition: Callable[[], bool], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
