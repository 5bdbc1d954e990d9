"""An agent's way through the panel, on a phone, with the phones of both sides at hand."""

import re

import pytest
from playwright.async_api import Page, expect

from ari_app.domain.callback import State
from tests.browser.conftest import DESKTOP, Panel, sign_in
from tests.fakes.office import CUSTOMER, SATO_PHONE

pytestmark = pytest.mark.browser


async def order(page: Page, number: str = "２　０３−１１１１−２２２２") -> None:
    """発信, and OK."""
    await page.goto("/callback")
    await page.fill("#customer-number", number)
    await page.click("#order-submit")
    await page.click("#confirm-ok")
    await page.wait_for_url("**/callback/calls/*")


async def test_from_the_number_to_the_result(panel: Panel) -> None:
    async with panel.page("sato") as page:
        await page.fill("#customer-number", "２　０３−１１１１−２２２２")
        await page.press("#customer-number", "Enter")
        dialog = page.locator("#confirm")
        await expect(dialog).to_contain_text("コールバック発信を実行します。よろしいですか?")
        await expect(dialog).to_contain_text("03-1111-2222へ発信します。2チャネル使用")
        assert await page.evaluate("document.querySelector('#confirm').matches(':modal')")
        await expect(page.get_by_role("button", name="キャンセル")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(page.locator("#order-submit")).to_be_focused()

        await page.click("#order-submit")
        await page.click("#confirm-ok")
        stage = page.locator("#stage > .stage")
        await expect(stage).to_have_attribute("data-state", "ringing_agent")
        await expect(page.locator(".ring .num")).to_have_text(re.compile(r"^(30|2\d)$"))
        left = int(await page.inner_text(".ring .num"))
        await expect(page.locator(".ring .num")).to_have_text(str(left - 2), timeout=4000)
        await expect(page.locator(".steps [aria-current]")).to_contain_text("自分を呼出中")

        agent = await panel.office.switch.phone(SATO_PHONE)
        agent.answer()
        await expect(page.locator(".steps [aria-current]")).to_contain_text("自分が応答（1を押す）")
        await expect(page.locator("#announcement")).to_contain_text("「1」を押すとお客様へ発信します")
        agent.press("1")
        await expect(page.locator(".steps [aria-current]")).to_contain_text("相手を呼出中")
        customer = await panel.office.switch.phone(CUSTOMER)
        customer.answer()
        await expect(page.locator("#title")).to_have_text("通話中")
        await expect(page.locator("#stage .party")).to_contain_text("03-9876-5432 を通知して通話中")
        await expect(page.locator(".clock")).to_have_text("0:02", timeout=4000)
        await expect(page.locator("#cancel")).to_have_count(0)
        await page.reload()
        await expect(page.locator("#title")).to_have_text("通話中")
        customer.put_down()
        await expect(page.locator("#stage")).to_contain_text("お客様が電話を切って終了しました")
        await expect(page.locator("#title")).to_have_text("発信結果")

        await page.click("#call-again")
        await expect(page.locator("#confirm")).to_contain_text("03-1111-2222へ発信します")
        await expect(page.locator("#confirm")).to_contain_text("03-9876-5432")
        await page.keyboard.press("Escape")
        await page.get_by_role("link", name="コールバック発信結果").first.click()
        newest = page.locator(".entry").first
        await expect(newest).to_contain_text("発信元応答")
        await newest.locator(".expander").click()
        await expect(newest.locator(".legs")).to_contain_text("2ndコール")
        await newest.get_by_role("link", name="03-1111-2222 へリダイヤル").click()
        await expect(page.locator("#confirm")).to_contain_text("03-1111-2222へ発信します")


async def test_cancelling_and_what_went_wrong_in_words(panel: Panel) -> None:
    async with panel.page("sato") as page:
        await order(page)
        await page.click("#cancel")
        await expect(page.locator("#stage")).to_contain_text("発信をキャンセルしました")
        await order(page)
        (await panel.office.switch.phone(SATO_PHONE)).be_busy()
        await expect(page.locator("#stage")).to_contain_text("自身の電話が話中でした")
        await page.click("#new-call")
        await expect(page.locator("#customer-number")).to_have_value("")


async def test_a_wrong_number_is_said_at_the_field(panel: Panel) -> None:
    async with panel.page("sato") as page:
        await page.fill("#customer-number", "12")
        await page.click("#order-submit")
        await expect(page.locator("#customer-number-problem")).to_have_text("電話番号は9〜30桁で入力してください")
        await expect(page.locator("#customer-number")).to_be_focused()
        await expect(page.locator("#customer-number")).to_have_value("12")
        await page.get_by_role("button", name="相手の電話番号を消去").click()
        await expect(page.locator("#customer-number")).to_have_value("")


async def test_redialling_from_the_recent_calls_is_one_tap_and_a_question(panel: Panel) -> None:
    async with panel.page("sato") as page:
        await page.get_by_role("link", name="06-6666-7777 へリダイヤル").click()
        await expect(page.locator("#confirm")).to_contain_text("06-6666-7777へ発信します")
        await expect(page.locator("#customer-number")).to_have_value("0666667777")
        assert page.url.endswith("/callback"), "no page was loaded"


async def test_a_page_that_slept_knows_the_state_when_it_wakes(panel: Panel) -> None:
    async with panel.page("sato") as page:
        await order(page)
        agent = await panel.office.switch.phone(SATO_PHONE)
        await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
        agent.answer()
        agent.press("1")
        (await panel.office.switch.phone(CUSTOMER)).answer()
        call_id = page.url.rsplit("/", 1)[1]
        assert (await panel.office.services.callbacks.get(call_id)).state is not State.ENDED
        await expect(page.locator("#title")).to_have_text("発信中")
        await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        await expect(page.locator("#title")).to_have_text("通話中")


async def test_without_a_network_the_page_stays_and_says_so(panel: Panel) -> None:
    async with panel.page("sato") as page:
        note = page.locator("#unreachable")
        await page.fill("#customer-number", CUSTOMER)
        await page.context.set_offline(True)
        await expect(note).to_be_visible()
        await page.click("#order-submit")
        await expect(page.locator("#customer-number")).to_have_value(CUSTOMER)
        await page.context.set_offline(False)
        await expect(note).to_be_hidden()
        await page.click("#order-submit")
        await page.context.set_offline(True)
        await page.click("#confirm-ok")
        await expect(page.locator("#confirm")).to_be_hidden()
        await page.context.set_offline(False)
        await order(page)
        await page.context.set_offline(True)
        await page.click("#cancel")
        await expect(note).to_be_visible()
        await expect(page.locator("#title")).to_have_text("発信中")
        await page.context.set_offline(False)
        await page.click("#cancel")
        await expect(page.locator("#title")).to_have_text("発信結果")


async def test_the_other_tab_shows_the_call_too(panel: Panel) -> None:
    async with panel.page("sato") as page:
        other = await page.context.new_page()
        await other.goto("/callback")
        await order(page)
        await other.wait_for_url("**/callback/calls/*")
        await expect(other.locator("#title")).to_have_text("発信中")


async def test_a_session_that_ended_leads_to_the_sign_in(panel: Panel) -> None:
    async with panel.page("sato") as page:
        await order(page)
        await page.context.clear_cookies()
        await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        await page.wait_for_url("**/login?next=/callback/calls/*", timeout=10_000)
        await sign_in_again(page)
        await expect(page.locator("#title")).to_have_text("発信中")


async def test_an_order_after_the_session_ended_leads_to_the_sign_in(panel: Panel) -> None:
    async with panel.page("sato") as page:
        await page.fill("#customer-number", CUSTOMER)
        await page.context.clear_cookies()
        await page.click("#order-submit")
        await page.wait_for_url("**/login")


async def test_an_order_from_an_expired_page_says_so(panel: Panel) -> None:
    async with panel.page("sato") as page:
        await page.fill("#customer-number", CUSTOMER)
        await page.evaluate("document.querySelector('#order-form [name=csrf]').value = 'old'")
        await page.click("#order-submit")
        await expect(page.locator("#main")).to_contain_text("画面を再読み込みしてからもう一度お試しください")
        await expect(page.locator("#order-submit")).to_have_count(0)


async def test_an_account_that_lost_its_phone_is_told_on_the_open_page(panel: Panel) -> None:
    async with panel.page("sato") as page:
        await panel.office.services.accounts.set("sato", {"agent": False})
        await page.fill("#customer-number", CUSTOMER)
        await page.click("#order-submit")
        await expect(page.locator("#main")).to_contain_text("アカウントのエージェント利用が無効であるか")
        await expect(page.locator("#order-submit")).to_have_count(0)


async def sign_in_again(page: Page) -> None:
    """On the form that is shown."""
    from tests.fakes.office import PASSWORD

    await page.fill("#login", "sato")
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")


async def test_everything_works_without_scripts(panel: Panel) -> None:
    async with panel.page("sato", java_script_enabled=False) as page:
        await page.fill("#customer-number", CUSTOMER)
        await page.click("#order-submit")
        await expect(page.locator("#confirm")).to_contain_text("03-1111-2222へ発信します")
        await page.click("#confirm-ok")
        await expect(page.locator("#stage")).to_contain_text("自分を呼出中")
        (await panel.office.switch.phone(SATO_PHONE)).be_busy()
        await page.get_by_role("link", name="表示を更新").click()
        await expect(page.locator("#stage")).to_contain_text("自身の電話が話中でした")
        await page.goto("/callback/results")
        await expect(page.locator(".legs").first).to_contain_text("1stコール")


async def test_keys(panel: Panel) -> None:
    async with panel.page(size=DESKTOP) as page:
        await sign_in(page, "sato")
        await page.goto("/callback/results")
        await page.keyboard.press("/")
        await expect(page.locator("[name=q]")).to_be_focused()
        await page.keyboard.type("話中")
        await page.keyboard.press("Enter")
        await expect(page.locator(".entry")).to_have_count(1)
        assert "q=%E8%A9%B1%E4%B8%AD" in page.url, "the URL is the search"
        await page.locator("body").press("j")
        await expect(page.locator(".expander").first).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator(".legs").first).to_be_visible()
        await page.keyboard.press("?")
        await expect(page.locator("#help")).to_be_visible()
        await page.uncheck("#keys-on")
        await page.keyboard.press("Escape")
        await page.locator("body").press("?")
        await expect(page.locator("#help")).to_be_hidden()


async def test_a_list_is_searched_without_losing_the_page(panel: Panel) -> None:
    async with panel.page("sato", size=DESKTOP) as page:
        await page.goto("/callback/results")
        await page.evaluate("window.same = true")
        await page.get_by_role("link", name="今日").click()
        await expect(page).to_have_url(re.compile("preset=today"))
        await page.select_option("[name=result]", "agent_answered")
        await page.get_by_role("button", name="検索").click()
        await expect(page).to_have_url(re.compile("result=agent_answered"))
        assert await page.evaluate("window.same")
        await page.go_back()
        await expect(page).to_have_url(re.compile("preset=today"))
        await expect(page.locator("[aria-current=true]")).to_have_text("今日")


async def test_the_menu_of_the_phone(panel: Panel) -> None:
    async with panel.page("root") as page:
        await expect(page.locator("#menu")).to_be_hidden()
        await page.get_by_role("button", name="メニュー").click()
        await page.get_by_role("link", name="発着信履歴").click()
        await expect(page.locator(".entry").first).to_contain_text("03-1111-2222")
