"""`serve` as a process: it starts without Asterisk, says where the panel is, and stops cleanly."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVE = [sys.executable, "-m", "ari_app", "serve"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `serve`, and the line it printed."""
    command = subprocess.Popen(SERVE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with command:
        try:
            assert command.stdout is not None
            yield command, command.stdout.readline()
        finally:
            command.kill()


def get(url: str) -> tuple[int, dict[str, str]]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture
def environment(installation: Path) -> dict[str, str]:
    return {**os.environ, "KAKEHASHI_HTTP_BIND": f"127.0.0.1:{free_port()}"}


def test_starts_without_asterisk_and_stops_on_sigterm(environment: dict[str, str]) -> None:
    url = f"http://{environment['KAKEHASHI_HTTP_BIND']}"
    with serving(environment) as (command, line):
        assert line == f"管理画面: {url}\n"
        assert get(f"{url}/healthz")[0] == 200
        status, parts = get(f"{url}/readyz")
        assert (status, parts["database"], parts["ari"]) == (503, "ok", "unavailable")
        command.send_signal(signal.SIGTERM)
        _, logged = command.communicate(timeout=20)
        assert command.returncode == 0
    assert any(json.loads(line)["event"] == "serving" for line in logged.splitlines())


def test_second_start_by_mistake_is_told_before_it_disturbs_the_first(environment: dict[str, str]) -> None:
    with serving(environment):
        second = subprocess.run(SERVE, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert environment["KAKEHASHI_HTTP_BIND"] in second.stderr
    assert "Traceback" not in second.stderr
    assert "ari" not in second.stderr
