"""Signing in: sessions, forgery, guessing, languages."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from yarl import URL

from ari_app.domain.account import Role
from ari_app.domain.ending import Reason
from tests.fakes.office import HEAD_OFFICE, PASSWORD, Office
from tests.web.panel.conftest import Visitor
from web import live
from web.auth import ADDRESS_FAILURES, IDLE_LIMIT, LOGIN_FAILURES, SESSION_LIMIT

WRONG = "ログインIDまたはパスワードが正しくありません"


async def test_signing_in_leads_to_the_callback_page(visitor: Visitor) -> None:
    assert (await visitor.get("/")).headers["Location"] == "/callback"
    asked = await visitor.get("/callback")
    assert (asked.status, asked.headers["Location"]) == (303, "/login?next=/callback")
    answer = await visitor.sign_in("sato")
    assert (answer.status, answer.headers["Location"]) == (303, "/callback")
    page = await visitor.get("/callback")
    assert page.status == 200
    assert "佐藤 花子" in page.text


async def test_who_is_no_agent_begins_at_the_results(visitor: Visitor) -> None:
    answer = await visitor.post("/login", {"login": "root", "password": PASSWORD, "next": "/callback"}, csrf=False)
    assert answer.headers["Location"] == "/callback/results"
    assert (await visitor.get("/")).headers["Location"] == "/callback/results"
    assert (await visitor.get("/login")).headers["Location"] == "/callback/results"
    assert (await visitor.get("/callback")).status == 200, "and is told why, when asking for it"


async def test_one_goes_on_where_one_wanted_to_be(visitor: Visitor) -> None:
    asked = await visitor.get("/callback/results?q=03&preset=today")
    login = await visitor.get(asked.headers["Location"])
    onward = {"login": "sato", "password": PASSWORD, "next": login.field("next")}
    answer = await visitor.post("/login", onward, csrf=False)
    assert answer.headers["Location"] == "/callback/results?q=03&preset=today"


@pytest.mark.parametrize("elsewhere", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/\tx"])
async def test_nobody_is_led_elsewhere(visitor: Visitor, elsewhere: str) -> None:
    answer = await visitor.post("/login", {"login": "sato", "password": PASSWORD, "next": elsewhere}, csrf=False)
    assert answer.headers["Location"] == "/callback"


@pytest.mark.parametrize(
    ("login", "password"),
    [("sato", "x"), ("nobody", PASSWORD), ("", ""), ("sa\0to", PASSWORD), ("x" * 70, "y" * 5000), ("sato", "\udc80")],
)
async def test_wrong_credentials_are_one_error(visitor: Visitor, login: str, password: str) -> None:
    page = await visitor.post(
        "/login", {"login": login, "password": password.encode("utf-8", "replace").decode()}, csrf=False
    )
    assert page.status == 401
    assert WRONG in page.text
    assert not visitor.cookies


async def test_a_disabled_account_is_out_at_once(office: Office, sato: Visitor) -> None:
    await office.services.accounts.set("sato", {"disabled_at": office.clock.now()})
    assert (await sato.get("/callback")).status == 303
    assert (await sato.sign_in("sato")).status == 401


async def test_the_cookie_is_kept_from_scripts_and_other_sites(visitor: Visitor) -> None:
    cookie = (await visitor.sign_in("sato")).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie


async def test_the_session_is_new_at_each_sign_in(visitor: Visitor) -> None:
    visitor.client.session.cookie_jar.update_cookies({"kakehashi": "planted"}, URL(visitor.client.make_url("/")))
    await visitor.sign_in("sato")
    first = visitor.cookies["kakehashi"]
    await visitor.sign_in("sato")
    second = visitor.cookies["kakehashi"]
    assert "planted" not in (first, second)
    assert first != second
    # The one before is gone: whoever had it is signed out.
    visitor.client.session.cookie_jar.update_cookies({"kakehashi": first}, URL(visitor.client.make_url("/")))
    assert (await visitor.get("/callback")).status == 303


async def test_signing_out_ends_the_session_on_the_server(sato: Visitor) -> None:
    secret = sato.cookies["kakehashi"]
    assert (await sato.post("/logout")).headers["Location"] == "/login"
    sato.client.session.cookie_jar.update_cookies({"kakehashi": secret}, URL(sato.client.make_url("/")))
    assert (await sato.get("/callback")).status == 303


async def test_a_session_ends_when_idle_and_in_the_end_anyway(office: Office, sato: Visitor) -> None:
    office.clock.forward(seconds=IDLE_LIMIT.total_seconds() - 60)
    assert (await sato.get("/callback")).status == 200
    office.clock.forward(seconds=IDLE_LIMIT.total_seconds() - 60)
    assert (await sato.get("/callback")).status == 200, "use extends it"
    office.clock.forward(seconds=IDLE_LIMIT.total_seconds() - 60)
    assert (await sato.get("/callback")).status == 200
    office.clock.forward(seconds=SESSION_LIMIT.total_seconds() - 3 * IDLE_LIMIT.total_seconds() + 240)
    assert (await sato.get("/callback")).status == 303, "not for ever"


# Forgery


@pytest.mark.parametrize("path", ["/logout", "/callback", "/callback/confirm", "/language", "/callback/calls/x/cancel"])
@pytest.mark.parametrize("token", ["", "wrong", "トークン"])
async def test_no_form_works_without_the_sessions_token(sato: Visitor, path: str, token: str) -> None:
    page = await sato.post(path, {"csrf": token}, csrf=False)
    assert page.status == 403
    assert "画面を再読み込み" in page.text


async def test_the_token_may_come_in_a_header(sato: Visitor) -> None:
    token = (await sato.get("/callback")).field("csrf")
    page = await sato.post("/logout", csrf=False, headers={"X-CSRF-Token": token})
    assert page.status == 303


async def test_another_sites_form_is_refused_even_before_signing_in(visitor: Visitor) -> None:
    fields = {"login": "sato", "password": PASSWORD}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await visitor.post("/login", fields, csrf=False, headers=headers)).status == 403
    own = {"Origin": str(visitor.client.make_url("/").origin())}
    assert (await visitor.post("/login", fields, csrf=False, headers=own)).status == 303


async def test_a_body_that_is_no_form_is_refused_not_broken(visitor: Visitor) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    page = await visitor._ask("POST", "/login", data=b"login=\xff\xfe", headers=headers)
    assert page.status in (401, 422)
    broken = {"Content-Type": "multipart/form-data"}
    assert (await visitor._ask("POST", "/login", data=b"x", headers=broken)).status in (401, 422)


# Guessing


async def test_guessing_a_login_is_stopped_for_a_while(office: Office, visitor: Visitor) -> None:
    office.clock.forward(seconds=300 - office.clock.now().timestamp() % 300)
    for _ in range(LOGIN_FAILURES):
        assert (await visitor.sign_in("sato", "guess")).status == 401
    page = await visitor.sign_in("sato")
    assert page.status == 429
    assert "秒後までログインできません" in page.text
    assert (await visitor.sign_in("suzuki")).status == 303, "others are not locked out"
    office.clock.forward(seconds=301)
    assert (await visitor.sign_in("sato")).status == 303


async def test_guessing_from_an_address_is_stopped_whatever_the_login(office: Office, visitor: Visitor) -> None:
    office.clock.forward(seconds=300 - office.clock.now().timestamp() % 300)
    now = office.clock.now()
    for number in range(ADDRESS_FAILURES):
        await office.services.access.note_failure(f"guess{number}", "127.0.0.1", now)
    assert (await visitor.sign_in("sato")).status == 429
    # Behind a proxy on this host the address is the one the proxy names.
    fields = {"login": "sato", "password": PASSWORD}
    page = await visitor.post("/login", fields, csrf=False, headers={"X-Forwarded-For": "1.2.3.4, 203.0.113.9"})
    assert page.status == 303


async def test_success_forgets_the_failures_before(visitor: Visitor) -> None:
    for _ in range(3):
        for _ in range(LOGIN_FAILURES - 1):
            await visitor.sign_in("sato", "guess")
        assert (await visitor.sign_in("sato")).status == 303


# Languages, headers, permissions


async def test_the_language_follows_the_browser_then_the_choice(visitor: Visitor, office: Office) -> None:
    assert "Log in" in (await visitor.get("/login", headers={"Accept-Language": "en-GB"})).text
    await visitor.post("/language", {"language": "en", "next": "/login"}, csrf=False)
    assert "Log in" in (await visitor.get("/login", headers={"Accept-Language": "ja"})).text
    await visitor.sign_in("sato")
    page = await visitor.get("/callback")
    assert '<html lang="en">' in page.html
    await visitor.post("/language", {"language": "ja"})
    assert "通知番号" in (await visitor.get("/callback")).text
    assert (await office.services.accounts.by_login("sato")).language == "ja"
    assert (await visitor.post("/language", {"language": "fr"})).status == 422


async def test_every_page_has_the_headers(sato: Visitor) -> None:
    for path in ("/login", "/callback", "/callback/results", "/cdrs", "/nowhere"):
        headers = (await sato.get(path)).headers
        assert "script-src 'self'; style-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "Kakehashi"
    page = await sato.get("/callback")
    assert " style=" not in page.html
    assert "<style" not in page.html
    assert 'href="tel:' not in page.html
    assert '<meta name="format-detection" content="telephone=no">' in page.html


async def test_static_files_may_be_kept_while_their_content_stays(sato: Visitor) -> None:
    page = await sato.get("/callback")
    address = page.html.split('rel="stylesheet" href="')[1].split('"')[0]
    assert "immutable" in (await sato.get(address)).headers["Cache-Control"]
    assert (await sato.get("/static/app.css")).headers["Cache-Control"] == "no-cache"


async def test_the_cookie_is_tied_to_https_where_users_come_by_https(sqlite_url: str) -> None:
    from aiohttp.test_utils import TestClient, TestServer

    from tests.fakes.office import open_office
    from web.app import create_app

    async with open_office(sqlite_url, public_url="https://kakehashi.example.jp") as office:
        client: TestClient[Any, Any] = TestClient(TestServer(create_app(office.services)))
        async with client:
            origin = {"Origin": "https://kakehashi.example.jp"}
            visitor = Visitor(client)
            fields = {"login": "sato", "password": PASSWORD}
            cookie = (await visitor.post("/login", fields, csrf=False, headers=origin)).headers["Set-Cookie"]
            assert cookie.startswith("__Host-kakehashi=")
            assert "Secure" in cookie
            assert "Domain" not in cookie


@pytest.mark.parametrize(("login", "status"), [("root", 200), ("kanri", 200), ("super", 200), ("sato", 403)])
async def test_call_records_are_not_for_users(visitor: Visitor, login: str, status: int) -> None:
    await visitor.sign_in(login)
    page = await visitor.get("/cdrs")
    assert page.status == status
    assert ("権限がありません" in page.text) is (status == 403)
    menu = (await visitor.get("/callback/results")).html
    assert ('href="/cdrs"' in menu) is (status == 200)


async def test_names_are_text_not_markup(office: Office, visitor: Visitor) -> None:
    await office.services.accounts.set("sato", {"name": "<script>alert(1)</script>", "role": Role.ADMIN})
    await visitor.sign_in("sato")
    page = await visitor.get("/callback")
    assert "<script>alert" not in page.html
    assert "&lt;script&gt;alert(1)" in page.html
    search = await visitor.get('/callback/results?q="><script>alert(1)</script>&customer_number=<b>')
    assert "<script>alert" not in search.html
    assert "<b>" not in search.html.split("<form")[1].split("</form>")[0]


async def test_an_unknown_page_says_so_in_the_users_language(sato: Visitor) -> None:
    page = await sato.get("/nowhere")
    assert page.status == 404
    assert "ページが見つかりません" in page.text
    assert (await sato.get("/callback/confirm")).status == 405


async def test_a_defect_is_a_page_with_a_number_that_is_in_the_log(
    office: Office, sato: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    import structlog.testing

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(office.services.numbers), "all", broken)
    with structlog.testing.capture_logs() as logs:
        page = await sato.get("/callback/results?customer_number=0312345678")
    assert page.status == 500
    (entry,) = [entry for entry in logs if entry["event"] == "request_failed"]
    assert f"エラー番号 {entry['error_id']}" in page.text
    assert "0312345678" not in str(entry)


async def test_no_japanese_is_left_on_an_english_page(office: Office, visitor: Visitor) -> None:
    for customer_end, agent_end in ((None, None), (Reason.BUSY, None), (None, Reason.NO_ANSWER)):
        await office.past_call(
            "kanri", "0311112222", timedelta(minutes=9), customer_end=customer_end, agent_end=agent_end
        )
    english = {"Accept-Language": "en"}
    pages = [await visitor.get("/login", headers=english)]
    pages.append(await visitor.post("/login", {"login": "x", "password": "x"}, csrf=False, headers=english))
    await visitor.sign_in("kanri")
    await visitor.post("/language", {"language": "en"})
    for path in ("/callback", "/callback/results", "/callback/results?q=x", "/cdrs", "/cdrs?src=09", "/nowhere"):
        pages.append(await visitor.get(path))
    order = {"caller_id": HEAD_OFFICE, "customer_number": "0311112222"}
    pages.append(await visitor.post("/callback/confirm", order))
    pages.append(await visitor.post("/callback/confirm", order | {"customer_number": "12"}))
    pages.append(await visitor.get((await visitor.post("/callback", order)).headers["Location"]))
    for page in pages:
        text = page.html
        for name in ("管理 花子", "本社代表", "サポート", "大阪支店", "日本語", "架"):
            text = text.replace(name, "")
        assert not re.search(r"[぀-ヿ一-鿿]", text), text


async def test_a_stream_ends_with_its_session(office: Office, sato: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SETTLE_S", 0.1)
    async with sato.client.get("/callback/live", headers={"Accept": "text/event-stream"}) as stream:
        office.clock.forward(seconds=SESSION_LIMIT.total_seconds())
        async with asyncio.timeout(5):
            assert await stream.content.read() == b""
