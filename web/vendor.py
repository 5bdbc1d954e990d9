"""The browser's third-party files: fetched from npm as web/static/vendor/vendor.lock.json says, hashes checked.

`python -m web.vendor` fetches and writes them, `--check` only compares what is here with the lock,
`--lock` writes the hashes of what npm has now. Needs npm, except for `--check`.
"""

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "web/static/vendor/vendor.lock.json"

_ICON = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
_SPRITE = '<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}\n</svg>\n'
_SYMBOL = (
    '<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round">{shapes}</symbol>'
)


def main() -> int:
    """Fetch, check or lock; 1 when something differs from the lock."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--lock", action="store_true")
    options = parser.parse_args()
    lock = json.loads(LOCK.read_text())
    if not options.check:
        for package in lock["packages"]:
            _fetch(package, trust=options.lock)
        if options.lock:
            LOCK.write_text(json.dumps(lock, indent=2) + "\n")
    wrong = differences(lock)
    for problem in wrong:
        print(problem, file=sys.stderr)  # noqa: T201 - a command's output
    return 1 if wrong else 0


def differences(lock: dict[str, Any]) -> list[str]:
    """What is not as the lock says."""
    return [
        f"{wanted['to']}: {'differs' if (ROOT / wanted['to']).exists() else 'missing'}"
        for package in lock["packages"]
        for wanted in _wanted(package)
        if _sha256(ROOT / wanted["to"]) != wanted.get("sha256")
    ]


def _fetch(package: dict[str, Any], *, trust: bool) -> None:
    spec = f"{package['name']}@{package['version']}"
    with tempfile.TemporaryDirectory() as directory:
        command = ["npm", "pack", spec, "--pack-destination", directory, "--silent"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - from our own lock
        (archive,) = Path(directory).glob("*.tgz")
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if trust:
            package["integrity"] = integrity
        elif integrity != package["integrity"]:
            raise SystemExit(f"{spec}: npm's archive is not the one in the lock")
        with tarfile.open(archive) as content:
            _write(package, content)
    if trust:
        for wanted in _wanted(package):
            wanted["sha256"] = _sha256(ROOT / wanted["to"])


def _write(package: dict[str, Any], content: tarfile.TarFile) -> None:
    for name, wanted in package["files"].items():
        _put(ROOT / wanted["to"], _read(content, name))
    if sprite := package.get("sprite"):
        symbols = [_symbol(name, _read(content, f"icons/{name}.svg").decode()) for name in sprite["icons"]]
        _put(ROOT / sprite["to"], _SPRITE.format(symbols="\n".join(symbols)).encode())


def _read(content: tarfile.TarFile, name: str) -> bytes:
    file = content.extractfile(f"package/{name}")
    if file is None:
        raise SystemExit(f"{name}: not a file")
    return file.read()


def _symbol(name: str, svg: str) -> str:
    found = _ICON.search(svg)
    assert found is not None
    return _SYMBOL.format(name=name, shapes=" ".join(found[1].split()))


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _wanted(package: dict[str, Any]) -> list[dict[str, Any]]:
    return [*package["files"].values(), *([package["sprite"]] if "sprite" in package else [])]


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
