"""Who is let in, and who may do what: every role on every operation."""

from datetime import timedelta

import pytest

from ari_app.domain.account import Role
from ari_app.domain.permissions import Action
from tests.fakes.office import PASSWORD
from tests.web.api.conftest import Api
from web.api import OPERATIONS
from web.api.operation import Operation

LOGINS = {Role.ADMIN: "root", Role.SUPERVISOR: "super", Role.USER: "sato"}
FOR_EVERYBODY = {"place_callback", "list_callbacks", "get_callback", "cancel_callback", "stream_events"}
FOR_SUPERVISORS = FOR_EVERYBODY | {"list_cdrs"}
ALLOWED = {
    Role.ADMIN: {operation.name for operation in OPERATIONS},
    Role.SUPERVISOR: FOR_SUPERVISORS,
    Role.USER: FOR_EVERYBODY,
}


def path_of(operation: Operation) -> str:
    return operation.path.replace("{id}", "2147483647")


async def status_of(api: Api, operation: Operation, token: str) -> int:
    """The status of an empty request; a stream is left as soon as it begins."""
    headers = {"Authorization": f"Bearer {token}"}
    path = f"/api/v1{path_of(operation)}"
    async with api.client.request(operation.method, path, headers=headers) as response:
        return response.status


@pytest.mark.parametrize("role", Role)
async def test_roles(api: Api, subtests: pytest.Subtests, role: Role) -> None:
    token = await api.token(LOGINS[role])
    for operation in OPERATIONS:
        with subtests.test(operation=operation.name):
            allowed = await status_of(api, operation, token) != 403
            assert allowed == (operation.name in ALLOWED[role])


async def test_scopes(api: Api, subtests: pytest.Subtests) -> None:
    for action in Action:
        token = await api.token("root", [action])
        for operation in OPERATIONS:
            with subtests.test(scope=action, operation=operation.name):
                allowed = await status_of(api, operation, token) != 403
                assert allowed == (action in operation.actions)


async def test_a_scope_adds_nothing_to_the_role(api: Api) -> None:
    token = await api.token("sato", [Action.MANAGE_SETTINGS])
    assert (await api("GET", "/numbers", token=token)).told == (403, "not_permitted", None)


async def test_without_a_good_token(api: Api, subtests: pytest.Subtests) -> None:
    good = await api.token("root")
    wrong = {
        "Basic cm9vdDpyb290": "token_missing",
        good: "token_missing",
        "Bearer": "token_missing",
        "Bearer ": "token_missing",
        "Bearer kks_wrong": "invalid_token",
        f"Bearer {good}x": "invalid_token",
        f"Bearer {good} {good}": "invalid_token",
        "Bearer トークン": "invalid_token",
    }
    for header, code in wrong.items():
        with subtests.test(header=header[:12]):
            answer = await api("GET", "/numbers", headers={"Authorization": header})
            assert answer.told == (401, code, None)
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="kakehashi"')
    for operation in OPERATIONS:
        with subtests.test(operation=operation.name):
            assert (await api(operation.method, path_of(operation))).told == (401, "token_missing", None)
    assert (await api("GET", "/numbers", headers={"Authorization": f"bearer {good}"})).status == 200


async def test_expired(api: Api) -> None:
    token = await api.token("root", expires_at=api.office.clock.now() + timedelta(minutes=1))
    assert (await api("GET", "/numbers", token=token)).status == 200
    api.office.clock.forward(minutes=1)
    assert (await api("GET", "/numbers", token=token)).told == (401, "invalid_token", None)


async def test_disabled_account(api: Api) -> None:
    accounts = api.office.services.accounts
    token = await api.token("sato")
    await accounts.set("sato", {"disabled_at": api.office.clock.now()})
    assert (await api("GET", "/callbacks", token=token)).told == (401, "invalid_token", None)


async def test_the_panels_cookie_opens_nothing(api: Api) -> None:
    form = {"login": "root", "password": PASSWORD}
    async with api.client.post("/login", data=form, allow_redirects=False) as response:
        assert response.status in (302, 303)
        assert response.cookies
    assert (await api("GET", "/numbers")).told == (401, "token_missing", None)
    assert (await api("POST", "/callbacks", json={})).told == (401, "token_missing", None)


async def test_language(api: Api) -> None:
    english = await api("GET", "/numbers", headers={"Accept-Language": "en-US,ja;q=0.5"})
    assert english.json["detail"] == "Send an API token in the header Authorization: Bearer"
    assert "API トークン" in (await api("GET", "/numbers")).json["detail"]
    assert "API トークン" in (await api("GET", "/numbers", headers={"Accept-Language": "fr"})).json["detail"]
    await api.office.services.accounts.set("sato", {"language": "en"})
    assert (await api("POST", "/callbacks", "sato", json={})).json["detail"] == "caller_id is required"
