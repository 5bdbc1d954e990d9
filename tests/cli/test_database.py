"""`db`: the schema of any database, and data to try with."""

from pathlib import Path

import pytest

from .conftest import Kakehashi


def test_check_tells_an_empty_database_from_an_upgraded_one(
    kakehashi: Kakehashi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKEHASHI_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    before = kakehashi("db", "check", "--json")
    assert (before.code, before.json["ok"]) == (1, False)
    assert kakehashi("db", "upgrade", "--json").code == 0
    assert kakehashi("db", "upgrade").code == 0
    after = kakehashi("db", "check", "--json")
    assert (after.code, after.json) == (0, {"ok": True, "differences": []})


def test_lost_database_is_told(kakehashi: Kakehashi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEHASHI_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    lost = kakehashi("account", "list", "--json")
    assert (lost.code, lost.error["code"]) == (1, "database_unavailable")


def test_seeded_calls_are_whole(kakehashi: Kakehashi, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEHASHI_DATABASE_URL", database_url)
    seeded = kakehashi("db", "seed-demo", "--callbacks", "300", "--json")
    assert seeded.code == 0
    assert set(seeded.json["passwords"]) >= {"admin", "sato", "suzuki"}
    again = kakehashi("db", "seed-demo", "--callbacks", "10", "--json")
    assert (again.code, again.json["passwords"]) == (0, {})
    rows = kakehashi("cdr", "list", "--limit", "1000", "--json").json["items"]
    legs: dict[str, list[int]] = {}
    for row in rows:
        legs.setdefault(row["call_id"], []).append(row["leg"])
        assert row["duration"] >= row["billsec"] >= 0
        assert (row["answer"] is not None) == (row["disposition"] == "ANSWERED")
    assert len(legs) == 310
    assert all(sorted(of_call) in ([1], [1, 2]) for of_call in legs.values())
    accounts = kakehashi("account", "list", "--json").json["items"]
    assert sum(account["agent"] for account in accounts) == 12
