"""`kakehashi demo --once`: the whole product from nothing, and nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ari_app.asterisk import instance

pytestmark = pytest.mark.live


def test_demo_once(tmp_path: Path) -> None:
    environment = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    demo = subprocess.run(
        [sys.executable, "-m", "ari_app", "demo", "--once", "--dir", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    verdict = [line for line in demo.stdout.splitlines() if line[:2] in ("OK", "NG")]
    assert len(verdict) == 6
    assert all(line.startswith("OK") for line in verdict), demo.stdout
    assert not instance.status(tmp_path / "asterisk").running
    assert not instance.status(tmp_path / "carrier").running
