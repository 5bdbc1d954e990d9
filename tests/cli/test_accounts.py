"""Accounts: added, changed and imported under the rules of the manual."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db.access import AccessStore
from db.engine import open_database

from .conftest import Kakehashi


def test_password_is_made_and_shown_once(kakehashi: Kakehashi) -> None:
    added = kakehashi(
        "account", "add", "suzuki", "--role", "user", "--agent", "--number", "０９０－１２３４－５６７８", "--json"
    )
    assert added.code == 0
    assert len(added.json["password"]) >= 12
    listed = kakehashi("account", "list", "--json")
    (account,) = listed.json["items"]
    assert (account["login"], account["device"], account["device_number"]) == ("suzuki", "external", "09012345678")
    assert account["verified_at"] is None
    assert "password" not in listed.out


def test_password_comes_from_stdin(kakehashi: Kakehashi) -> None:
    added = kakehashi("account", "add", "suzuki", "--role", "user", "--password-stdin", "--json", stdin="long enough\n")
    assert added.code == 0
    assert "password" not in added.json
    short = kakehashi("account", "add", "sato", "--role", "user", "--password-stdin", "--json", stdin="short\n")
    assert (short.code, short.error["field"]) == (1, "password")


def test_own_company_number_is_no_device(kakehashi: Kakehashi) -> None:
    kakehashi("number", "add", "03-1234-5678")
    refused = kakehashi("account", "add", "suzuki", "--role", "user", "--agent", "--number", "0312345678", "--json")
    assert refused.code == 1
    assert (refused.error["code"], refused.error["field"]) == ("own_company_number", "device_number")
    assert kakehashi("account", "list", "--json").json["items"] == []


@pytest.mark.parametrize("number", ["110", "0570-000-000", "+1 212 555 0100", "0990123456"])
def test_expensive_and_emergency_numbers_are_no_device(kakehashi: Kakehashi, number: str) -> None:
    refused = kakehashi("account", "add", "suzuki", "--role", "user", "--agent", "--number", number, "--json")
    assert (refused.code, refused.error["field"]) == (1, "device_number")


def test_topmost_administrator_is_never_an_agent(kakehashi: Kakehashi) -> None:
    first = kakehashi("account", "add", "boss", "--role", "admin", "--agent", "--json")
    assert (first.code, first.error["code"]) == (1, "topmost_account")
    assert kakehashi("account", "add", "boss", "--role", "admin").code == 0
    for change in (["--agent"], ["--role", "user"], ["--disable"]):
        refused = kakehashi("account", "set", "boss", *change, "--json")
        assert (refused.code, refused.error["code"]) == (1, "topmost_account")
    assert kakehashi("account", "add", "second", "--role", "admin", "--agent").code == 0


def test_another_phone_is_not_verified(kakehashi: Kakehashi) -> None:
    kakehashi("account", "add", "suzuki", "--role", "user", "--agent", "--number", "09012345678", "--verified")
    renamed = kakehashi("account", "set", "suzuki", "--name", "鈴木 一郎", "--json").json
    assert renamed["name"] == "鈴木 一郎"
    assert renamed["verified_at"]
    assert kakehashi("account", "set", "suzuki", "--number", "08012345678", "--json").json["verified_at"] is None
    assert kakehashi("account", "set", "suzuki", "--verified", "--json").json["verified_at"]


@pytest.mark.parametrize("change", [["--password-stdin"], ["--disable"]])
def test_new_password_and_disabling_sign_out(kakehashi: Kakehashi, sqlite_url: str, change: list[str]) -> None:
    suzuki = kakehashi("account", "add", "suzuki", "--role", "user", "--json").json

    async def signed_in(*, open_first: bool = False) -> bool:
        async with open_database(sqlite_url) as database:
            access, now = AccessStore(database), datetime.now(UTC)
            if open_first:
                await access.open_session("hash", suzuki["id"], "csrf", now, now + timedelta(hours=1))
            return await access.session("hash", now) is not None

    assert asyncio.run(signed_in(open_first=True))
    kakehashi("account", "set", "suzuki", "--name", "鈴木")
    assert asyncio.run(signed_in())
    assert kakehashi("account", "set", "suzuki", *change, stdin="another one\n").code == 0
    assert not asyncio.run(signed_in())


def test_errors_name_the_field_in_the_users_language(kakehashi: Kakehashi, monkeypatch: pytest.MonkeyPatch) -> None:
    kakehashi("account", "add", "suzuki", "--role", "user")
    japanese = kakehashi("account", "add", "suzuki", "--role", "user")
    assert (japanese.code, japanese.out) == (1, "")
    assert japanese.err == "login: suzuki はすでに登録されています\n"
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    assert "already" in kakehashi("account", "add", "suzuki", "--role", "user").err


def test_wrong_usage_is_2(kakehashi: Kakehashi) -> None:
    assert kakehashi("account", "add", "suzuki").code == 2
    assert kakehashi("account", "add", "suzuki", "--role", "king").code == 2


GOOD = "login,role,name,agent,device,number,email,verified,password\n" + (
    "suzuki,user,鈴木 一郎,1,external,090-1234-5678,s@example.com,yes,long enough\n"
    "sato,supervisor,佐藤,,extension,101,,,\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_import(kakehashi: Kakehashi, tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text(GOOD, encoding=encoding)
    imported = kakehashi("account", "import", file, "--json")
    assert imported.code == 0
    suzuki, sato = imported.json["items"]
    assert (suzuki["name"], suzuki["agent"], suzuki["device_number"]) == ("鈴木 一郎", True, "09012345678")
    assert (sato["role"], sato["device"], sato["device_number"], sato["verified_at"]) == (
        "supervisor",
        "extension",
        "101",
        None,
    )


def test_import_names_every_bad_row_and_keeps_none(kakehashi: Kakehashi, tmp_path: Path) -> None:
    kakehashi("account", "add", "known", "--role", "user")
    kakehashi("number", "add", "0312345678")
    file = tmp_path / "accounts.csv"
    file.write_text(
        "login,role,number,agent,password\n"
        "fine,user,09012345678,yes,long enough\n"
        "known,user,,,\n"
        "fine,user,,,\n"
        "other,king,0312345678,maybe,short\n"
        "toofew,user\n"
    )
    refused = kakehashi("account", "import", file, "--json")
    assert refused.code == 1
    assert [(row["line"], row["field"], row["code"]) for row in refused.error["rows"]] == [
        (3, "login", "already_exists"),
        (4, "login", "already_exists"),
        (5, "role", "unknown_word"),
        (5, "agent", "unknown_word"),
        (5, "number", "own_company_number"),
        (5, "password", "password_length"),
        (6, None, "column_count"),
    ]
    assert [account["login"] for account in kakehashi("account", "list", "--json").json["items"]] == ["known"]
    told = kakehashi("account", "import", file).err
    assert "7件の誤り" in told
    assert "  5: number: 03-1234-5678 は自社の電話番号" in told
    assert "  6: 列の数" in told


def test_import_refuses_unknown_and_missing_columns(kakehashi: Kakehashi, tmp_path: Path) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text("login,phone\nsuzuki,09012345678\n")
    rows = kakehashi("account", "import", file, "--json").error["rows"]
    assert [(row["line"], row["field"], row["code"]) for row in rows] == [
        (1, "role", "missing_column"),
        (1, "phone", "unknown_column"),
    ]


def test_import_of_the_first_administrators(kakehashi: Kakehashi, tmp_path: Path) -> None:
    """The rule of the topmost administrator holds for a whole file, and keeps nothing of it."""
    file = tmp_path / "accounts.csv"
    file.write_text("login,role,agent\nsuzuki,user,\nboss,admin,1\n")
    refused = kakehashi("account", "import", file, "--json")
    assert (refused.code, refused.error["code"]) == (1, "topmost_account")
    assert kakehashi("account", "list", "--json").json["items"] == []
