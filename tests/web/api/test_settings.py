"""/numbers, /prefixes, /callcenters, /grants, /accounts, /tokens: made, read, changed, removed."""

from datetime import timedelta
from typing import Any

import pytest

from ari_app.domain.permissions import Action
from tests.fakes.office import CUSTOMER, HEAD_OFFICE, OSAKA, SATO_PHONE, SUPPORT
from tests.web.api.conftest import Api

ROUND_TRIPS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # resource: (made from, changes, then shown)
    "numbers": (
        {"tel": "０３-3333-4444", "name": "新宿"},
        {"name": "渋谷"},
        {"tel": "0333334444", "name": "渋谷"},
    ),
    "prefixes": (
        {"digits": "7", "tel": OSAKA},
        {"tel": "03-9876-5432"},
        {"digits": "7", "tel": SUPPORT},
    ),
    "callcenters": (
        {"name": "大阪", "numbers": ["06-6111-0000"], "agents": ["sato"]},
        {"name": "関西", "agents": ["suzuki", "sato", "sato"]},
        {"name": "関西", "numbers": [OSAKA], "agents": ["sato", "suzuki"]},
    ),
    "grants": (
        {"account": "super", "kind": "callcenter", "resource": "受付"},
        {"level": "edit"},
        {"account": "super", "kind": "callcenter", "resource": "受付", "level": "edit"},
    ),
    "accounts": (
        {"login": "abe", "name": "阿部", "role": "user", "password": "correct horse", "device_number": "090-1111-2222"},
        {"role": "supervisor", "agent": True, "email": "abe@example.com", "acceptance": "press1", "language": "en"},
        {"login": "abe", "role": "supervisor", "agent": True, "device_number": "09011112222", "topmost": False},
    ),
    "tokens": (
        {"account": "sato", "name": "CRM", "scopes": ["place_callback", "see_callbacks"]},
        {"name": "新CRM"},
        {"account": "sato", "name": "新CRM", "scopes": ["place_callback", "see_callbacks"]},
    ),
}


@pytest.mark.parametrize("resource", ROUND_TRIPS)
async def test_round_trip(api: Api, resource: str) -> None:
    new, changes, shown = ROUND_TRIPS[resource]
    made = await api("POST", f"/{resource}", "root", json=new)
    place = made.headers["Location"]
    assert (made.status, place) == (201, f"/api/v1/{resource}/{made.json['id']}")
    assert (await api("GET", place, "root")).json.items() <= made.json.items()
    changed = await api("PATCH", place, "root", json=changes)
    assert changed.status == 200
    assert shown.items() <= changed.json.items()
    assert (await api("PATCH", place, "root", json={})).json == changed.json
    assert changed.json in (await api("GET", f"/{resource}", "root")).json["items"]
    removed = await api("DELETE", place, "root")
    assert (removed.status, removed.text) == (204, "")
    for method in ("GET", "PATCH", "DELETE"):
        assert (await api(method, place, "root", json=changes)).told[:2] == (404, "not_found")


async def test_pages(api: Api) -> None:
    seen: list[int] = []
    cursor = ""
    while cursor is not None:
        page = (await api("GET", f"/accounts?limit=3{cursor and f'&cursor={cursor}'}", "root")).json
        assert len(page["items"]) <= 3
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == sorted(account.id for account in await api.office.services.accounts.all())
    for wrong in ("x", "Inki", "W10", "é", "MTox"):
        assert (await api("GET", f"/accounts?cursor={wrong}", "root")).told == (422, "invalid_input", "cursor")


WRONG: list[tuple[str, str, Any, tuple[str, str]]] = [
    ("POST", "/numbers", {"tel": HEAD_OFFICE}, ("already_exists", "tel")),
    ("POST", "/numbers", {"tel": "12345678901"}, ("number_not_national", "tel")),
    ("POST", "/numbers", {"tel": "0" * 16}, ("number_length", "tel")),
    ("PATCH", "/numbers/1", {"tel": "0333334444"}, ("unknown_field", "tel")),
    ("PATCH", "/numbers/1", {"name": None}, ("wrong_type", "name")),
    ("POST", "/prefixes", {"digits": "2", "tel": HEAD_OFFICE}, ("already_exists", "digits")),
    ("POST", "/prefixes", {"digits": "18", "tel": HEAD_OFFICE}, ("prefix_format", "digits")),
    ("POST", "/prefixes", {"digits": "7", "tel": "0399999999"}, ("not_found", "tel")),
    ("POST", "/callcenters", {"name": "受付"}, ("already_exists", "name")),
    ("POST", "/callcenters", {"name": ""}, ("out_of_range", "name")),
    ("POST", "/callcenters", {"name": "x" * 61}, ("out_of_range", "name")),
    ("POST", "/callcenters", {"name": "  "}, ("name_format", "name")),
    ("POST", "/callcenters", {"name": "x", "numbers": ["0399999999"]}, ("not_found", "numbers")),
    ("POST", "/callcenters", {"name": "x", "agents": ["nobody"]}, ("not_found", "agents")),
    ("POST", "/callcenters", {"name": "x", "agents": [1]}, ("wrong_type", "agents")),
    ("PATCH", "/callcenters/1", {"agents": "sato"}, ("wrong_type", "agents")),
    ("POST", "/grants", {"account": "x", "kind": "number", "resource": OSAKA}, ("not_found", "account")),
    ("POST", "/grants", {"account": "super", "kind": "number", "resource": "0399999999"}, ("not_found", "resource")),
    ("POST", "/grants", {"account": "super", "kind": "campaign", "resource": "x"}, ("unknown_choice", "kind")),
    ("POST", "/grants", {"account": "super", "kind": "number"}, ("missing", "resource")),
    ("POST", "/accounts", {"login": "sato", "name": "x", "role": "user"}, ("already_exists", "login")),
    ("POST", "/accounts", {"login": "a b", "name": "x", "role": "user"}, ("login_format", "login")),
    ("POST", "/accounts", {"login": "x", "name": "x", "role": "king"}, ("unknown_choice", "role")),
    ("POST", "/accounts", {"login": "x", "name": "x", "role": "user", "agent": "yes"}, ("wrong_type", "agent")),
    (
        "POST",
        "/accounts",
        {"login": "x", "name": "x", "role": "user", "password": "short"},
        ("out_of_range", "password"),
    ),
    ("POST", "/accounts", {"login": "x", "name": "x", "role": "user", "email": "x"}, ("email_format", "email")),
    (
        "POST",
        "/accounts",
        {"login": "x", "name": "x", "role": "user", "device_number": SUPPORT},
        ("own_company_number", "device_number"),
    ),
    (
        "POST",
        "/accounts",
        {"login": "x", "name": "x", "role": "user", "device": "extension", "device_number": "1" * 31},
        ("number_length", "device_number"),
    ),
    ("PATCH", "/accounts/1", {"agent": True}, ("topmost_account", "agent")),
    ("PATCH", "/accounts/1", {"role": "user"}, ("topmost_account", "role")),
    ("PATCH", "/accounts/1", {"disabled": True}, ("topmost_account", "disabled_at")),
    ("PATCH", "/accounts/4", {"login": "x"}, ("unknown_field", "login")),
    ("PATCH", "/accounts/4", {"device_number": OSAKA}, ("own_company_number", "device_number")),
    ("POST", "/tokens", {"account": "nobody"}, ("not_found", "account")),
    ("POST", "/tokens", {"account": "sato", "scopes": ["everything"]}, ("unknown_choice", "scopes")),
    ("POST", "/tokens", {"account": "sato", "expires_at": "2020-01-01T00:00:00Z"}, ("period", "expires_at")),
    ("POST", "/tokens", {"account": "sato", "expires_at": "tomorrow"}, ("wrong_format", "expires_at")),
]


async def test_wrong_input_names_the_field_and_changes_nothing(api: Api, subtests: pytest.Subtests) -> None:
    services = api.office.services

    async def everything() -> list[Any]:
        stores = services.numbers
        return [
            await stores.all(),
            await stores.all_prefixes(),
            await stores.all_call_centers(),
            await services.accounts.all(),
            await services.accounts.grants(),
        ]

    before = await everything()
    for method, path, body, told in WRONG:
        with subtests.test(path=path, body=body):
            assert (await api(method, path, "root", json=body)).told == (422, *told)
    assert await everything() == before


async def test_a_numbers_grants_go_with_it(api: Api) -> None:
    await api("DELETE", "/numbers/1", "root")
    assert (await api("GET", "/grants", "root")).json["items"] == []
    assert (await api("GET", "/callcenters/1", "root")).json["numbers"] == [SUPPORT]
    await api("DELETE", "/numbers/2", "root")
    assert (await api("GET", "/prefixes", "root")).json["items"] == []


class TestAccounts:
    async def test_one_that_called_can_only_be_disabled(self, api: Api) -> None:
        await api.office.past_call("sato", CUSTOMER, timedelta(hours=1))
        sato = await api.office.services.accounts.by_login("sato")
        assert (await api("DELETE", f"/accounts/{sato.id}", "root")).told == (409, "in_use", None)
        disabled = (await api("PATCH", f"/accounts/{sato.id}", "root", json={"disabled": True})).json
        assert disabled["disabled_at"]
        assert (await api("PATCH", f"/accounts/{sato.id}", "root", json={"disabled": False})).json[
            "disabled_at"
        ] is None

    async def test_topmost_stays(self, api: Api) -> None:
        assert (await api("DELETE", "/accounts/1", "root")).told == (422, "topmost_account", "account")

    async def test_another_number_is_not_verified(self, api: Api) -> None:
        sato = await api.office.services.accounts.by_login("sato")
        place = f"/accounts/{sato.id}"
        assert (await api("PATCH", place, "root", json={"verified": True})).json["verified_at"]
        same = await api("PATCH", place, "root", json={"device_number": SATO_PHONE, "name": "佐藤"})
        assert same.json["verified_at"]
        moved = await api("PATCH", place, "root", json={"device_number": "090-9999-0000"})
        assert moved.json["verified_at"] is None

    async def test_a_password_signs_in_and_is_never_shown(self, api: Api) -> None:
        new = {"login": "abe", "name": "阿部", "role": "user", "password": "correct horse"}
        made = await api("POST", "/accounts", "root", json=new)
        assert "correct" not in made.text
        assert "argon2" not in made.text
        form = {"login": "abe", "password": "correct horse"}
        async with api.client.post("/login", data=form, allow_redirects=False) as response:
            assert response.cookies
        await api("PATCH", f"/accounts/{made.json['id']}", "root", json={"password": "another horse"})
        async with api.client.get("/callback", allow_redirects=False) as response:
            assert response.status in (302, 303)

    async def test_a_limited_token_touches_no_administrator(self, api: Api) -> None:
        token = await api.token("root", [Action.MANAGE_SETTINGS])
        admin = {"login": "boss", "name": "x", "role": "admin", "password": "correct horse"}
        sato = (await api.office.services.accounts.by_login("sato")).id
        assert (await api("POST", "/accounts", token=token, json=admin)).told[:2] == (403, "not_permitted")
        for path, body in (
            ("/accounts/2", {"password": "correct horse"}),
            ("/accounts/2", {"role": "user"}),
            (f"/accounts/{sato}", {"role": "admin"}),
        ):
            assert (await api("PATCH", path, token=token, json=body)).told[:2] == (403, "not_permitted")
        assert (await api("DELETE", "/accounts/2", token=token)).told[:2] == (403, "not_permitted")
        assert (await api("PATCH", f"/accounts/{sato}", token=token, json={"name": "さとう"})).status == 200


class TestTokens:
    async def test_shown_once_and_good_until_revoked(self, api: Api) -> None:
        answer = await api("POST", "/tokens", "root", json={"account": "sato"})
        assert answer.headers["Cache-Control"] == "no-store"
        made = answer.json
        assert made["token"].startswith("kks_")
        assert (await api("GET", "/callbacks", token=made["token"])).status == 200
        assert "token" not in (await api("GET", f"/tokens/{made['id']}", "root")).json
        assert made["token"] not in (await api("GET", "/tokens", "root")).text
        await api("DELETE", f"/tokens/{made['id']}", "root")
        assert (await api("GET", "/callbacks", token=made["token"])).told[:2] == (401, "invalid_token")

    async def test_expiry_is_told_in_the_installations_zone(self, api: Api) -> None:
        until = {"account": "sato", "expires_at": "2036-01-01T00:00:00Z"}
        assert (await api("POST", "/tokens", "root", json=until)).json["expires_at"] == "2036-01-01T09:00:00.000+09:00"

    async def test_a_limited_token_makes_no_wider_one(self, api: Api) -> None:
        token = await api.token("root", [Action.MANAGE_TOKENS, Action.SEE_CDRS])
        for scopes in (None, ["place_callback"], ["see_cdrs", "cut_any_call"]):
            body = {"account": "root", "scopes": scopes}
            assert (await api("POST", "/tokens", token=token, json=body)).told[:2] == (403, "not_permitted")
        assert (
            await api("POST", "/tokens", token=token, json={"account": "root", "scopes": ["see_cdrs"]})
        ).status == 201
