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
        await page.goto("/callback")
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
    """An agent's call and an administrator's lists; written where SCREENSHOTS says."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)

    async def picture(page: Page, name: str) -> None:
        await page.screenshot(path=folder / f"{name}.png", caret="initial", animations="allow")

    office = panel.office
    async with panel.page("kanri", size=DESKTOP) as page:
        for path, name in (("/callback/results", "results"), ("/cdrs", "cdrs")):
            await page.goto(path)
            await page.locator(".expander").first.click()
            await page.mouse.move(0, 0)
            await picture(page, name)
    async with panel.page("sato", size=PHONE) as page:
        await picture(page, "callback")
        await page.fill("#customer-number", "2 03-1111-2222")
        await page.click("#order-submit")
        await expect(page.locator("#confirm")).to_be_visible()
        await picture(page, "confirm")
        await page.click("#confirm-ok")
        agent = await office.switch.phone(SATO_PHONE)
        office.clock.forward(seconds=8)
        await page.reload()
        await expect(page.locator(".ring .num")).to_have_text("22")
        await picture(page, "ringing")
        agent.answer()
        office.clock.forward(seconds=2)
        agent.press("1")
        customer = await office.switch.phone(CUSTOMER)
        office.clock.forward(seconds=13)
        customer.answer()
        await expect(page.locator("#title")).to_have_text("通話中")
        office.clock.forward(seconds=157)
        await page.reload()
        await expect(page.locator(".clock")).to_contain_text("2:37")
        await picture(page, "talking")
        customer.put_down()
        await expect(page.locator("#title")).to_have_text("発信結果")
        await picture(page, "ended")
    async with panel.page("sato", size=PHONE, scheme="dark") as page:
        await picture(page, "callback-dark")
        await page.goto("/callback/results")
        await page.locator(".expander").first.click()
        await picture(page, "results-phone-dark")
