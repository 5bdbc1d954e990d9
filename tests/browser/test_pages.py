"""What holds on every page: it fits, and axe-core finds nothing, in both themes and on every width."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import DESKTOP, NARROW_PHONE, PHONE, Panel, assert_accessible, assert_fits, sign_in
from tests.fakes.office import CUSTOMER, SATO_PHONE

pytestmark = pytest.mark.browser


async def see_every_page(panel: Panel, page: Page) -> AsyncIterator[str]:
    """Visit every page and state there is; yields their names."""
    await page.goto("/login")
    yield "sign-in"
    await page.fill("#login", "sato")
    await page.fill("#password", "wrong")
    await page.press("#password", "Enter")
    await expect(page.locator("#problem")).to_be_visible()
    yield "sign-in-refused"
    for login, name in (("root", "unavailable"), ("lonely", "no-caller-id"), ("sato", "callback")):
        await page.context.clear_cookies()
        await sign_in(page, login)
        yield name
    await page.fill("#customer-number", "12")
    await page.click("#order-submit")
    await expect(page.locator("#customer-number-problem")).to_be_visible()
    yield "callback-problem"
    await page.fill("#customer-number", "2 03-1111-2222")
    await page.click("#order-submit")
    await expect(page.locator("#confirm")).to_be_visible()
    yield "confirm"
    await page.click("#confirm-ok")
    agent = await panel.office.switch.phone(SATO_PHONE)
    await expect(page.locator(".steps [aria-current]")).to_contain_text("自分を呼出中")
    yield "ringing-agent"
    agent.answer()
    await expect(page.locator(".steps [aria-current]")).to_contain_text("自分が応答")
    agent.press("1")
    customer = await panel.office.switch.phone(CUSTOMER)
    await expect(page.locator(".steps [aria-current]")).to_contain_text("相手を呼出中")
    yield "ringing-customer"
    customer.answer()
    await expect(page.locator("#title")).to_have_text("通話中")
    yield "talking"
    customer.put_down()
    await expect(page.locator("#title")).to_have_text("発信結果")
    yield "ended"
    await page.goto("/callback/results")
    await page.locator(".expander").nth(1).click()
    yield "results"
    await page.goto("/callback/results?q=話中&result=agent_not_answered")
    yield "results-empty"
    await page.goto("/callback/results?from=2026-11-20&to=2026-11-19")
    yield "results-problem"
    await page.goto("/cdrs")
    yield "not-permitted"
    await page.context.clear_cookies()
    await sign_in(page, "root")
    await page.goto("/cdrs")
    await page.locator(".expander").nth(1).click()
    yield "cdrs"
    await page.evaluate("document.getElementById('help').showModal()")
    yield "help"
    await page.goto("/nowhere")
    yield "not-found"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW_PHONE, PHONE, DESKTOP], ids=lambda size: str(size[0]))
async def test_every_page_fits_and_is_accessible(panel: Panel, size: tuple[int, int], scheme: Any) -> None:
    async with panel.page(size=size, scheme=scheme) as page:
        seen = []
        async for name in see_every_page(panel, page):
            seen.append(name)
            await assert_fits(page)
            if size is not NARROW_PHONE:
                await assert_accessible(page)
        assert len(seen) == 18


async def test_screenshots(panel: Panel, tmp_path: Path) -> None:
    """Written to docs/screenshots when SCREENSHOTS names it."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {PHONE: {"callback", "confirm", "ringing-agent", "talking", "ended"}, DESKTOP: {"results", "cdrs"}}
    for size, names in wanted.items():
        async with panel.page(size=size) as page:
            async for name in see_every_page(panel, page):
                if name in names:
                    await page.mouse.move(0, 0)
                    await page.screenshot(path=folder / f"{name}.png", caret="initial", animations="allow")
    assert {file.stem for file in folder.glob("*.png")} >= set().union(*wanted.values())
