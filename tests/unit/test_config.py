"""Settings: read, checked, completed from what the installation keeps."""

import json
import os
import stat
from pathlib import Path

import pytest

from ari_app.config import load_settings
from ari_app.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KAKEHASHI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KAKEHASHI_STATE_DIR", str(tmp_path / "state"))


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path / 'state' / 'kakehashi.db'}"
    assert settings.http_address == ("127.0.0.1", 8080)
    assert settings.base_url == "http://127.0.0.1:8080"
    assert settings.ari_url == ""


def test_secret_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = load_settings().secret_key.get_secret_value()
    assert len(first) == 64
    assert load_settings().secret_key.get_secret_value() == first
    assert stat.S_IMODE((tmp_path / "state" / "secret_key").stat().st_mode) == 0o600


def test_local_asterisk_is_found_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    facts = {"ari_url": "http://127.0.0.1:8088", "ari_username": "kakehashi", "ari_password": "hush"}
    (tmp_path / "state" / "asterisk.json").write_text(json.dumps(facts))
    found = load_settings()
    assert (found.ari_url, found.ari_password.get_secret_value()) == ("http://127.0.0.1:8088", "hush")
    monkeypatch.setenv("KAKEHASHI_ARI_URL", "http://pbx:8088")
    elsewhere = load_settings()
    assert (elsewhere.ari_url, elsewhere.ari_password.get_secret_value()) == ("http://pbx:8088", "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("RING_AGENT_S", "0"),
        ("RING_CUSTOMER_S", "601"),
        ("ACCEPT", "press2"),
        ("ACCEPT_S", "-1"),
        ("CHANNEL_LIMIT", "1"),
        ("CUSTOMER_NUMBER_DIGITS", "30-9"),
        ("CUSTOMER_NUMBER_DIGITS", "nine"),
        ("ALLOWED_PREFIXES", "090,0x"),
        ("TRUNK_ENDPOINT", "PJSIP/trunk"),
        ("TRUNK_ENDPOINT", "PJSIP/{number}@{host}"),
        ("HTTP_BIND", "8080"),
        ("HTTP_BIND", "127.0.0.1:99999"),
        ("TIMEZONE", "Asia/Edo"),
        ("TRUNK_PORT", "70000"),
    ],
)
def test_wrong_value_is_refused_by_its_key(key: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"KAKEHASHI_{key}", value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert refused.value.field == f"KAKEHASHI_{key}"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().channel_limit = 4  # type: ignore[misc]
