"""`config`: what is in force, secrets kept to oneself."""

from pathlib import Path

import pytest

from ari_app.config import Settings

from .conftest import Kakehashi


def test_wrong_setting_is_named(kakehashi: Kakehashi, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kakehashi("config", "check").code == 0
    monkeypatch.setenv("KAKEHASHI_RING_AGENT_S", "soon")
    wrong = kakehashi("config", "check", "--json")
    assert (wrong.code, wrong.error["code"], wrong.error["field"]) == (1, "configuration", "KAKEHASHI_RING_AGENT_S")


def test_misspelt_key_is_told(kakehashi: Kakehashi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEHASHI_CHANEL_LIMIT", "4")
    assert "KAKEHASHI_CHANEL_LIMIT" in kakehashi("config", "check", "--json").json["unknown"]
    assert "KAKEHASHI_CHANEL_LIMIT" in kakehashi("config", "check").out


def test_secrets_are_masked_until_revealed(
    kakehashi: Kakehashi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKEHASHI_ARI_PASSWORD", "hush-ari")
    monkeypatch.setenv("KAKEHASHI_SMTP_URL", "smtp://user:hush-mail@mail.example:25")
    monkeypatch.setenv("KAKEHASHI_DATABASE_URL", "postgresql://user:hush-db@db.example/kakehashi")
    for arguments in (["--json"], []):
        shown = kakehashi("config", "show", *arguments).out
        assert "hush" not in shown
        assert "smtp://user:********@mail.example:25" in shown
    settings = kakehashi("config", "show", "--json").json
    assert set(settings) == set(Settings.model_fields)
    assert settings["ari_password"] == settings["secret_key"] == "********"
    assert settings["trunk_password"] == ""
    revealed = kakehashi("config", "show", "--json", "--reveal").json
    assert revealed["ari_password"] == "hush-ari"
    assert revealed["secret_key"] == (tmp_path / "secret_key").read_text()
    assert "hush-db" in revealed["database_url"]


def test_file_and_environment(kakehashi: Kakehashi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kakehashi.toml"
    file.write_text('ring_agent_s = 20\nchannel_limit = 8\nallowed_prefixes = "090,080"\n')
    monkeypatch.setenv("KAKEHASHI_CONFIG", str(file))
    monkeypatch.setenv("KAKEHASHI_CHANNEL_LIMIT", "6")
    settings = kakehashi("config", "show", "--json").json
    assert (settings["ring_agent_s"], settings["channel_limit"]) == (20, 6)
    assert settings["allowed_prefixes"] == ["090", "080"]
    monkeypatch.setenv("KAKEHASHI_CONFIG", str(tmp_path / "none.toml"))
    assert kakehashi("config", "check", "--json").error["field"] == "KAKEHASHI_CONFIG"


def test_describe_names_every_key(kakehashi: Kakehashi) -> None:
    keys = kakehashi("config", "describe", "--json").json["items"]
    assert [key["name"] for key in keys] == [f"KAKEHASHI_{name.upper()}" for name in Settings.model_fields]
    assert all(key["description"] for key in keys)
