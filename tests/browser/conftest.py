"""A Chromium, the panel on a loopback port, and what must hold on every page."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from ari_app.domain.ending import Reason
from tests.fakes.office import CUSTOMER, HEAD_OFFICE, PASSWORD, SUPPORT, Office, SetClock, open_office
from web.app import create_app

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
AXE = Path(__file__).parent / "vendor/axe.min.js"
PHONE, NARROW_PHONE, DESKTOP = (390, 844), (360, 740), (1440, 900)
MORNING = datetime(2026, 11, 20, 10, 45, tzinfo=ZoneInfo("Asia/Tokyo"))

# Chromium's console reports every answer 4xx, as a wrong input gets, and what asks while a test is offline.
_EXPECTED = (
    "Failed to load resource: the server responded with a status of 4",
    "Failed to load resource: net::ERR_INTERNET_DISCONNECTED",
)


@dataclass
class Panel:
    """The panel under test, and its visitors' troubles."""

    office: Office
    address: str
    browser: Browser
    troubles: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def page(
        self, login: str | None = None, size: tuple[int, int] = PHONE, scheme: Any = "light", **options: Any
    ) -> AsyncIterator[Page]:
        """A page of a browser of its own, signed in as `login`."""
        context = await self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            base_url=self.address,
            locale="ja-JP",
            reduced_motion="reduce",
            **options,
        )
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.troubles.append(str(error.error)))
        try:
            page = await context.new_page()
            if login:
                await sign_in(page, login)
            yield page
        finally:
            await context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_EXPECTED):
            self.troubles.append(message.text)


async def sign_in(page: Page, login: str) -> None:
    """The sign-in form, as a user fills it in."""
    await page.goto("/login")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")
    await page.wait_for_url(re.compile("/callback(/results)?$"))


async def assert_fits(page: Page) -> None:
    """Nothing makes the page scroll sideways."""
    widest = await page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    assert widest <= 0, f"{page.url}: {widest} px too wide"


async def assert_accessible(page: Page) -> None:
    """axe-core finds nothing."""
    # In a world of its own: the page's policy forbids foreign scripts, as it should.
    if not await page.evaluate("typeof axe !== 'undefined'"):
        await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run().then((result) => result.violations)")
    assert not found, [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]


@pytest.fixture
async def panel(sqlite_url: str) -> AsyncIterator[Panel]:
    """An office with a past, its panel, a browser; no page may have complained in the end."""
    async with open_office(sqlite_url, clock=SetClock(MORNING)) as office, async_playwright() as playwright:
        await _give_a_past(office)
        server = TestServer(create_app(office.services), host="127.0.0.1")
        await server.start_server()
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        panel = Panel(office, str(server.make_url("/")), browser)
        try:
            yield panel
        finally:
            await browser.close()
            await server.close()
        assert panel.troubles == []


async def _give_a_past(office: Office) -> None:
    """An ordinary morning, and the days before."""
    for day, hours in enumerate(((), (9.1, 14.35, 16.8), (10.2, 11.6, 15.4, 17.9), (13.25, 15.7)), start=0):
        for hour in hours:
            number = f"090{day * 1117 + int(hour * 1000) % 997:04}{int(hour * 7919) % 9973:04}"
            ago = timedelta(days=day, hours=10.75 - hour)
            await office.past_call("sato", number, ago, talk_s=40 + 13 * hour)
    call = office.past_call
    await call("suzuki", "0475551234", timedelta(minutes=96), talk_s=305, caller_id=SUPPORT)
    await call("sato", "05033334444", timedelta(minutes=74), talk_s=22, agent_s=4)
    await call("suzuki", "0666667777", timedelta(minutes=41), caller_id=SUPPORT, agent_end=Reason.NO_ANSWER, agent_s=30)
    await call("suzuki", "0666667777", timedelta(minutes=38), caller_id=SUPPORT, agent_end=Reason.NO_DIGIT)
    await call("sato", "0666667777", timedelta(minutes=14), customer_end=Reason.BUSY, ring_s=2)
    await call(
        "suzuki", "08055556666", timedelta(minutes=11), caller_id=SUPPORT, customer_end=Reason.NO_ANSWER, ring_s=60
    )
    await call("sato", "09022223333", timedelta(minutes=9), talk_s=65)
    await call(
        "sato", CUSTOMER, timedelta(minutes=5), caller_id=HEAD_OFFICE, shown=SUPPORT, talk_s=42, agent_s=9, ring_s=13
    )
