"""The API as an integrator meets it: an office, tokens of its accounts, requests over HTTP."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ari_app.domain.callback import Acceptance
from ari_app.domain.permissions import Action
from tests.fakes.office import Office, open_office
from web.app import create_app
from web.credentials import fingerprint, new_token

CHANNELS = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str
    json: Any

    @property
    def told(self) -> tuple[int, str, str | None]:
        """A refusal: status, code, field."""
        assert self.headers["Content-Type"] == "application/problem+json", self.text
        assert self.json["status"] == self.status
        assert self.json["type"] == "about:blank"
        assert self.json["detail"]
        return self.status, self.json["code"], self.json.get("field")


@dataclass
class Api:
    """Requests in somebody's name."""

    office: Office
    client: TestClient[Any, Any]
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, login: str, scopes: Iterable[Action] | None = None, **expiry: Any) -> str:
        """A token of an account."""
        secret, services = new_token(), self.office.services
        account = await services.accounts.by_login(login)
        limits = None if scopes is None else frozenset(scopes)
        now = self.office.clock.now()
        await services.access.add_token(fingerprint(secret), account.id, "", limits, now, expiry.get("expires_at"))
        return secret

    async def __call__(
        self, method: str, path: str, who: str | None = None, *, token: str | None = None, **request: Any
    ) -> Answer:
        """Ask; `who` is a login, `token` a secret, neither: without a token."""
        headers = dict(request.pop("headers", {}))
        if who is not None and who not in self.tokens:
            self.tokens[who] = await self.token(who)
        if secret := token or (self.tokens[who] if who else None):
            headers.setdefault("Authorization", f"Bearer {secret}")
        path = path if path.startswith(("/api/", "/healthz", "/readyz", "/metrics")) else f"/api/v1{path}"
        async with self.client.request(method, path, headers=headers, **request) as response:
            text = await response.text()
            content = await response.json(content_type=None) if "json" in response.content_type else None
            return Answer(response.status, dict(response.headers), text, content)

    async def order(self, who: str, customer: str = "0311112222", **request: Any) -> Answer:
        """Place a callback."""
        body = {"caller_id": "0312345678", "customer_number": customer}
        return await self("POST", "/callbacks", who, json=body, **request)


@pytest.fixture
async def office(sqlite_url: str) -> AsyncIterator[Office]:
    """An office on SQLite with few channels."""
    async with open_office(sqlite_url, accept=Acceptance.NONE, channel_limit=CHANNELS) as opened:
        yield opened


@asynccontextmanager
async def open_api(office: Office) -> AsyncIterator[Api]:
    """The API of an office."""
    async with TestClient(TestServer(create_app(office.services))) as client:
        yield Api(office, client)


@pytest.fixture
async def api(office: Office) -> AsyncIterator[Api]:
    """The API of the office."""
    async with open_api(office) as opened:
        yield opened
