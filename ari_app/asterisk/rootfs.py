"""Asterisk 22 without a container engine: a Debian root file system, built once per checkout."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ari_app.errors import RootfsBuildError

PROJECT = Path(__file__).resolve().parents[2]
DOCKER_DIR = PROJECT / "asterisk-docker"
PACKAGES = DOCKER_DIR / "packages.txt"
PREPARE = DOCKER_DIR / "prepare.sh"

SUITE = "forky"
FALLBACK_MIRROR = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
STAMP = "etc/kakehashi-rootfs"

# As root the command is run as it is, otherwise sudo asks for what it needs.
PRIVILEGED: tuple[str, ...] = () if os.geteuid() == 0 else ("sudo",)


def rootfs_path() -> Path:
    """Where the rootfs is: KAKEHASHI_ROOTFS, or .rootfs in the project."""
    return Path(os.environ.get("KAKEHASHI_ROOTFS") or PROJECT / ".rootfs").absolute()


def is_built(path: Path) -> bool:
    """Whether `path` holds a rootfs of exactly the current package list and preparation."""
    stamp = path / STAMP
    return stamp.is_file() and stamp.read_text().strip() == _fingerprint()


def build_rootfs(path: Path | None = None, *, force: bool = False) -> Path:
    """Build the rootfs at `path` unless it is there and current; return its path.

    Takes about 25 s and 350 MB. Builds beside `path` and renames, so that an interrupted build leaves no half
    of one, and a running instance keeps the files it has open.
    Raises RootfsBuildError when mmdebstrap is missing or fails.
    """
    path = path or rootfs_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with _only_builder(path):
        if force or not is_built(path):
            _build(path)
    return path


def _build(path: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        raise RootfsBuildError(reason="mmdebstrap が必要です（apt-get install mmdebstrap）")
    partial, old = path.with_name(f"{path.name}.partial"), path.with_name(f"{path.name}.old")
    _remove(partial, old)
    command = [
        *PRIVILEGED,
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--include={','.join(PACKAGES.read_text().split())}",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        f'--customize-hook=chroot "$1" /bin/sh -s < "{PREPARE}"',
        f'--customize-hook=echo {_fingerprint()} > "$1/{STAMP}"',
        *([f"--keyring={KEYRING}"] if KEYRING.exists() else []),
        SUITE,
        str(partial),
        _mirror(),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if built.returncode != 0:
        _remove(partial)
        raise RootfsBuildError(reason=built.stderr.strip()[-2000:])
    if path.exists():
        _privileged("mv", str(path), str(old))
    _privileged("mv", str(partial), str(path))
    _remove(old)


def _fingerprint() -> str:
    content = SUITE.encode() + PACKAGES.read_bytes() + PREPARE.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _mirror() -> str:
    """The Debian mirror this machine already uses, so that a site's own mirror is respected."""
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for source in sources:
        if source.suffix in {".list", ".sources"} and source.is_file():
            lines = re.findall(r"^\s*(?:deb|URIs:)\s.*$", source.read_text(), re.MULTILINE)
            if found := re.search(r"https?://\S+/debian/?(?=\s|$)", "\n".join(lines)):
                return found.group()
    return FALLBACK_MIRROR


@contextmanager
def _only_builder(path: Path) -> Iterator[None]:
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove(*paths: Path) -> None:
    _privileged("rm", "-rf", "--one-file-system", *map(str, paths))


def _privileged(*command: str) -> None:
    subprocess.run([*PRIVILEGED, *command], check=True)  # noqa: S603
