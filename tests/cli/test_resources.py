"""Numbers, prefixes, call centers, grants and tokens."""

import re

from .conftest import Kakehashi


def test_numbers(kakehashi: Kakehashi) -> None:
    assert (
        kakehashi("number", "add", "０３－１２３４－５６７８", "--name", "代表", "--json").json["tel"] == "0312345678"
    )
    assert kakehashi("number", "add", "03 1234 5678", "--json").error["code"] == "already_exists"
    assert kakehashi("number", "add", "x", "--json").error["field"] == "tel"
    (number,) = kakehashi("number", "list", "--json").json["items"]
    assert (number["tel"], number["name"]) == ("0312345678", "代表")


def test_number_that_is_an_agents_phone_is_told(kakehashi: Kakehashi) -> None:
    """From then on that agent's callbacks are refused, so whoever adds the number must know."""
    kakehashi("account", "add", "suzuki", "--role", "user", "--agent", "--number", "0312345678")
    added = kakehashi("number", "add", "0312345678", "--json")
    assert (added.code, added.json["device_of"]) == (0, ["suzuki"])


def test_prefixes(kakehashi: Kakehashi) -> None:
    kakehashi("number", "add", "0312345678")
    assert kakehashi("prefix", "add", "9", "03-1234-5678").code == 0
    for digits in ("1", "18", "0", "90", "999", "９"):
        refused = kakehashi("prefix", "add", digits, "0312345678", "--json")
        assert (refused.code, refused.error["code"]) == (1, "prefix_format"), digits
    assert kakehashi("prefix", "add", "8", "0399999999", "--json").error["code"] == "not_found"
    (prefix,) = kakehashi("prefix", "list", "--json").json["items"]
    assert (prefix["digits"], prefix["tel"]) == ("9", "0312345678")


def test_call_center_is_made_whole_or_not_at_all(kakehashi: Kakehashi) -> None:
    kakehashi("number", "add", "0312345678")
    kakehashi("account", "add", "suzuki", "--role", "user", "--agent", "--number", "09012345678")
    missing = kakehashi("callcenter", "add", "サポート", "--number", "0312345678", "--agent", "nobody", "--json")
    assert (missing.code, missing.error["code"]) == (1, "not_found")
    assert kakehashi("callcenter", "list", "--json").json["items"] == []
    kakehashi("callcenter", "add", "サポート", "--number", "03-1234-5678", "--agent", "suzuki")
    (center,) = kakehashi("callcenter", "list", "--json").json["items"]
    assert (center["name"], center["numbers"], center["agents"]) == ("サポート", ["0312345678"], ["suzuki"])
    assert kakehashi("callcenter", "add", "あ" * 61, "--json").error["field"] == "name"


def test_grants(kakehashi: Kakehashi) -> None:
    kakehashi("number", "add", "0312345678")
    kakehashi("account", "add", "sato", "--role", "supervisor")
    granted = kakehashi("grant", "sato", "number:03-1234-5678", "edit", "--json")
    assert granted.json == {"login": "sato", "kind": "number", "resource": "0312345678", "level": "edit"}
    assert kakehashi("grant", "sato", "callcenter:none", "--json").error["code"] == "not_found"
    assert kakehashi("grant", "sato", "desk:1").code == 2


def test_tokens(kakehashi: Kakehashi) -> None:
    kakehashi("account", "add", "suzuki", "--role", "user")
    made = kakehashi(
        "token", "create", "--account", "suzuki", "--scope", "place_callback", "--days", "3", "--json"
    ).json
    assert made["token"].startswith("kks_")
    assert made["scopes"] == ["place_callback"]
    assert made["expires_at"]
    assert re.fullmatch(r"kks_\S+\n", kakehashi("token", "create", "--account", "suzuki").out)
    assert kakehashi("token", "create", "--account", "nobody", "--json").error["code"] == "not_found"
