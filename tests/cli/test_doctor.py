"""`doctor`: each thing that can be wrong is found, and its fix printed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestServer

from ari_app.config import load_settings
from ari_app.doctor import Finding, examine
from ari_app.doctor.asterisk import MODULES
from ari_app.domain.account import Device, Role
from db.accounts import AccountStore
from db.engine import open_database
from db.numbers import NumberStore
from tests.fakes.phones import ari_time

from .conftest import Kakehashi

ASTERISK: dict[str, Any] = {
    "asterisk/info": {"system": {"version": "22.10.1+dfsg-1"}},
    "asterisk/modules": [{"name": name, "status": "Running"} for name in MODULES],
    "applications/kakehashi": {"name": "kakehashi"},
    "endpoints/PJSIP/trunk": {"state": "online"},
    "asterisk/config/dynamic/res_pjsip/endpoint/trunk": [
        {"attribute": "allow", "value": "(ulaw)"},
        {"attribute": "direct_media", "value": "false"},
        {"attribute": "send_pai", "value": "true"},
        {"attribute": "send_connected_line", "value": "no"},
        {"attribute": "trust_connected_line", "value": "no"},
    ],
}


@asynccontextmanager
async def asterisk(answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """An Asterisk that answers so over ARI, and nothing else; its WebSocket cannot be opened."""

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != encode_basic_auth("kakehashi", "hush"):
            return web.json_response({"error": "Authentication required"}, status=401)
        path = request.match_info["path"]
        if path == "asterisk/ping":
            return web.json_response({"timestamp": ari_time(datetime.now(UTC))})
        if answers.get(path) is None:
            return web.json_response({"message": "not found"}, status=404)
        return web.json_response(answers[path])

    app = web.Application()
    app.router.add_get("/ari/{path:.*}", answer)
    async with TestServer(app) as server:
        monkeypatch.setenv("KAKEHASHI_ARI_URL", str(server.make_url("")))
        monkeypatch.setenv("KAKEHASHI_ARI_USERNAME", "kakehashi")
        monkeypatch.setenv("KAKEHASHI_ARI_PASSWORD", "hush")
        yield


async def findings() -> dict[str, Finding]:
    """What the doctor finds, by name."""
    return {finding.name: finding for finding in await examine(load_settings())}


async def test_sound_installation(installation: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_database(sqlite_url) as database:
        now = datetime.now(UTC)
        numbers, accounts = NumberStore(database), AccountStore(database)
        await numbers.add("0312345678", "", now)
        await accounts.add(
            {
                "login": "suzuki",
                "name": "鈴木",
                "role": Role.USER,
                "agent": True,
                "device": Device.EXTERNAL,
                "device_number": "09012345678",
            },
            now,
        )
        await numbers.add_call_center("サポート", ["0312345678"], ["suzuki"], now)
    async with asterisk(ASTERISK, monkeypatch):
        found = await findings()
    assert {name: finding.detail for name, finding in found.items() if not finding.ok} == {}
    assert set(found) == {
        "settings",
        "state_dir",
        "disk",
        "database",
        "schema",
        "callers",
        "ari",
        "asterisk_version",
        "clock",
        "modules",
        "application",
        "trunk",
        "rtp_ports",
        "prompts",
    }


def option(name: str, value: str) -> dict[str, Any]:
    """The trunk with one option set otherwise."""
    path = "asterisk/config/dynamic/res_pjsip/endpoint/trunk"
    kept = [entry for entry in ASTERISK[path] if entry["attribute"] != name]
    return {path: [*kept, {"attribute": name, "value": value}]}


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("asterisk_version", {"asterisk/info": {"system": {"version": "22.9.4"}}}, "22.9.4"),
        ("modules", {"asterisk/modules": ASTERISK["asterisk/modules"][1:]}, ".so"),
        ("trunk", {"endpoints/PJSIP/trunk": None}, "PJSIP/trunk"),
        ("trunk", {"endpoints/PJSIP/trunk": {"state": "offline"}}, "offline"),
        ("trunk", option("direct_media", "true"), "direct_media = false"),
        ("trunk", option("trust_connected_line", "yes"), "trust_connected_line = no"),
        ("trunk", option("allow", "(alaw)"), "allow = ulaw"),
    ],
)
async def test_fault_of_asterisk(
    installation: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: dict[str, Any], told: str
) -> None:
    async with asterisk(deepcopy(ASTERISK) | change, monkeypatch):
        found = (await findings())[name]
    assert not found.ok
    assert told in found.detail.format(**found.facts) + found.fix.format(**found.facts)


async def test_socket_that_cannot_be_opened(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ari_app.doctor.asterisk.CONNECT_S", 0.5)
    async with asterisk(ASTERISK | {"applications/kakehashi": None}, monkeypatch):
        assert not (await findings())["application"].ok


async def test_wrong_password_is_told_from_silence(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asterisk(ASTERISK, monkeypatch):
        monkeypatch.setenv("KAKEHASHI_ARI_PASSWORD", "wrong")
        refused = (await findings())["ari"]
    silent = (await findings())["ari"]
    assert not refused.ok
    assert not silent.ok
    assert "KAKEHASHI_ARI_PASSWORD" in refused.fix
    assert "KAKEHASHI_ARI_URL" in silent.fix


async def test_readable_secret(installation: Path) -> None:
    load_settings()
    (installation / "secret_key").chmod(0o644)
    found = (await findings())["state_dir"]
    assert not found.ok
    assert found.fix.format(**found.facts) == f"chmod 600 {installation / 'secret_key'}"


def test_report(kakehashi: Kakehashi) -> None:
    ran = kakehashi("doctor", "--json")
    assert ran.code == 1
    assert ran.json["ok"] is False
    checks = {check["name"]: check for check in ran.json["checks"]}
    assert all(set(check) == {"name", "ok", "detail", "fix"} for check in checks.values())
    assert checks["schema"]["ok"]
    assert checks["schema"]["fix"] is None
    assert (checks["callers"]["ok"], checks["callers"]["fix"]) == (False, "kakehashi number add TEL")
    assert "kakehashi asterisk up" in checks["ari"]["fix"]
    told = kakehashi("doctor")
    assert told.code == 1
    assert "→ kakehashi number add TEL" in told.out


def test_wrong_settings_are_a_finding(kakehashi: Kakehashi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEHASHI_TIMEZONE", "Asia/Edo")
    ran = kakehashi("doctor", "--json")
    assert ran.code == 1
    (check,) = ran.json["checks"]
    assert check["name"] == "settings"
    assert "KAKEHASHI_TIMEZONE" in check["detail"]


def test_lost_and_old_databases(kakehashi: Kakehashi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEHASHI_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    checks = {check["name"]: check["ok"] for check in json.loads(kakehashi("doctor", "--json").out)["checks"]}
    assert checks["database"] is False
    assert "schema" not in checks
    monkeypatch.setenv("KAKEHASHI_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    checks = {check["name"]: check["ok"] for check in json.loads(kakehashi("doctor", "--json").out)["checks"]}
    assert (checks["database"], checks["schema"]) == (True, False)
