"""The panel as a browser without scripts meets it: pages, forms, cookies."""

import html
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from tests.fakes.office import PASSWORD, Office, open_office
from web.app import create_app


@dataclass(frozen=True, slots=True)
class Page:
    """What came back."""

    status: int
    headers: Any
    html: str

    @property
    def text(self) -> str:
        """What a reader sees, in one line."""
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.html)).split())

    def field(self, name: str) -> str:
        """The value of the first input of that name."""
        inputs = re.findall(rf'<input[^>]* name="{name}"[^>]* value="([^"]*)"', self.html)
        assert inputs, f"no field {name}"
        return html.unescape(inputs[0])

    def link(self, label: str) -> str:
        """The address of the link with that label."""
        found = re.search(rf'<a[^>]* href="([^"]*)"[^>]* aria-label="{label}"', self.html)
        assert found, f"no link {label}"
        return html.unescape(found[1])


class Visitor:
    """One browser."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self.client = client

    async def get(self, path: str, **options: Any) -> Page:
        """Follow no redirect unless asked to."""
        return await self._ask("GET", path, **options)

    async def post(self, path: str, fields: dict[str, str] | None = None, *, csrf: bool = True, **options: Any) -> Page:
        """Send a form, with the token that this session's pages carry."""
        data = dict(fields or {})
        if csrf:
            data["csrf"] = (await self.get("/callback/results")).field("csrf")
        return await self._ask("POST", path, data=data, **options)

    async def sign_in(self, login: str, password: str = PASSWORD) -> Page:
        """The sign-in form."""
        return await self.post("/login", {"login": login, "password": password}, csrf=False)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies it keeps."""
        return {cookie.key: cookie.value for cookie in self.client.session.cookie_jar}

    async def _ask(self, method: str, path: str, **options: Any) -> Page:
        options.setdefault("allow_redirects", False)
        async with self.client.request(method, path, **options) as response:
            return Page(response.status, response.headers, await response.text())


@pytest.fixture
async def office(sqlite_url: str) -> AsyncIterator[Office]:
    """The installation; the agent accepts by pressing 1."""
    async with open_office(sqlite_url) as office:
        yield office


@pytest.fixture
async def browsers(office: Office) -> AsyncIterator[Callable[[], Any]]:
    """Opens browsers; each has its own cookies."""
    server = TestServer(create_app(office.services))
    async with AsyncExitStack() as stack:
        await server.start_server()
        stack.push_async_callback(server.close)

        async def open_browser() -> Visitor:
            client = TestClient(server, cookie_jar=CookieJar(unsafe=True))
            stack.push_async_callback(client.session.close)
            return Visitor(client)

        yield open_browser


@pytest.fixture
async def visitor(browsers: Callable[[], Any]) -> Visitor:
    """A browser that nobody has signed in with."""
    visitor: Visitor = await browsers()
    return visitor


@pytest.fixture
async def sato(visitor: Visitor) -> Visitor:
    """An agent's browser."""
    assert (await visitor.sign_in("sato")).status == 303
    return visitor
