"""コールバック発信: the form, its confirmation, the call, the errors of the manual."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from ari_app.domain.account import Device
from ari_app.domain.callback import Callback, State
from tests.fakes.office import CUSTOMER, HEAD_OFFICE, OSAKA, SATO_PHONE, SUPPORT, Office
from tests.web.panel.conftest import Page, Visitor

UNAVAILABLE = (
    "アカウントのエージェント利用が無効であるか、サインイン端末が内線番号になっています "
    "エージェント利用が有効なアカウントでログインするか、サインイン端末を変更してください"
)
NO_CALLER_ID = (
    "通知番号に選択可能な電話番号がありません "
    "着信グループ、IVR、コールセンター着信のいずれかにダイヤルイン番号を設定してください"
)


async def order(visitor: Visitor, number: str = CUSTOMER, caller_id: str = HEAD_OFFICE, **fields: str) -> Page:
    """Press 発信 and OK."""
    return await visitor.post("/callback", {"caller_id": caller_id, "customer_number": number} | fields)


async def call_of(office: Office, login: str = "sato") -> Callback:
    """The call the account has going."""
    account = await office.services.accounts.by_login(login)
    call = await office.services.callbacks.open_of(account.id)
    assert call is not None
    return call


async def reaches(office: Office, call_id: str, state: State) -> Callback:
    """The call, once it is written down in that state."""
    async with asyncio.timeout(5):
        while (call := await office.services.callbacks.get(call_id)).state is not state:
            await asyncio.sleep(0.01)
    return call


@asynccontextmanager
async def events_of(visitor: Visitor, path: str) -> AsyncIterator[Callable[[], Any]]:
    """Server-sent events, one (name, data) at a time."""
    async with visitor.client.get(path, headers={"Accept": "text/event-stream"}) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"

        async def next_event() -> tuple[str, str]:
            name, data = "", []
            async with asyncio.timeout(5):
                async for raw in response.content:
                    line = raw.decode().rstrip("\r\n")
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        data.append(line.removeprefix("data: "))
                    elif not line and data:
                        return name, "\n".join(data)
            raise AssertionError("the stream ended")

        yield next_event


async def stage_of(following: Callable[[], Any], state: str) -> str:
    """The next stage that shows this state; a read may be a moment behind what was told."""
    while True:
        name, stage = await following()
        assert name == "stage"
        if f'data-state="{state}"' in stage:
            return str(stage)


# What must hold before


@pytest.mark.parametrize("login", ["root", "super", "desk"])
async def test_no_agent_or_an_extension_is_told_so_instead_of_the_form(visitor: Visitor, login: str) -> None:
    await visitor.sign_in(login)
    page = await visitor.get("/callback")
    assert UNAVAILABLE in page.text
    assert "相手の電話番号" not in page.text
    assert UNAVAILABLE in (await order(visitor)).text


async def test_a_company_number_as_ones_own_phone_is_told_so_instead_of_the_form(visitor: Visitor) -> None:
    await visitor.sign_in("wrong")
    page = await visitor.get("/callback")
    assert "03-9876-5432 は自社の電話番号（共通設定 > 電話番号）のため使用できません" in page.text
    assert "相手の電話番号" not in page.text


async def test_no_caller_id_is_told_so_instead_of_the_form(visitor: Visitor) -> None:
    await visitor.sign_in("lonely")
    page = await visitor.get("/callback")
    assert NO_CALLER_ID in page.text
    assert "相手の電話番号" not in page.text


async def test_the_errors_speak_english_too(visitor: Visitor) -> None:
    await visitor.sign_in("root")
    await visitor.post("/language", {"language": "en"})
    assert "Agent use is off for this account" in (await visitor.get("/callback")).text


# The form


async def test_the_form_offers_what_the_account_may_show(sato: Visitor) -> None:
    page = await sato.get("/callback")
    assert "03-1234-5678 本社代表" in page.text
    assert "03-9876-5432 サポート" in page.text
    assert "06-6111-0000" not in page.text
    assert "090-0000-0001" in page.text
    assert "プレフィックス 2 を付けると 03-9876-5432 を通知します" in page.text
    assert "過去7日の発信はありません" in page.text


async def test_the_caller_id_used_last_is_chosen(office: Office, sato: Visitor) -> None:
    await order(sato, caller_id=SUPPORT)
    (await office.switch.phone(SATO_PHONE)).put_down()
    page = await sato.get((await order_finished(office, sato)).headers["Location"])
    assert f'<option value="{SUPPORT}" selected>' in page.html


async def order_finished(office: Office, visitor: Visitor) -> Page:
    """Once no call is going on, the form again."""
    async with asyncio.timeout(5):
        while (await visitor.get("/callback")).status == 303:
            await asyncio.sleep(0.01)
    return Page(303, {"Location": "/callback"}, "")


async def test_confirming_names_the_object_and_the_consequence(office: Office, sato: Visitor) -> None:
    typed = {"caller_id": HEAD_OFFICE, "customer_number": "２　０３−１１１１−２２２２"}
    page = await sato.post("/callback/confirm", typed)
    assert page.status == 200
    assert "コールバック発信を実行します。よろしいですか?" in page.text
    assert "03-1111-2222へ発信します。2チャネル使用" in page.text
    assert "お客様に表示 03-9876-5432" in page.text
    assert "autofocus>キャンセル" in page.html
    assert await office.services.callbacks.reserved_channels() == 0, "nothing is ordered yet"


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "電話番号を入力してください"),
        ("03-1111", "電話番号は9〜30桁で入力してください"),
        ("03-1111-2222<script>", "電話番号に使えない文字が含まれています"),
        ("110", "緊急通報の番号には発信できません"),
        ("010-1-212-555-0100", "この番号への発信は許可されていません"),
        (SUPPORT, "03-9876-5432 は自社の電話番号"),
        (SATO_PHONE, "相手の電話番号が自身の電話番号と同じです"),
    ],
)
async def test_what_is_wrong_stands_at_the_field_and_nothing_is_made(
    office: Office, sato: Visitor, typed: str, problem: str
) -> None:
    for path in ("/callback/confirm", "/callback"):
        page = await sato.post(path, {"caller_id": HEAD_OFFICE, "customer_number": typed})
        assert page.status == 422
        assert problem in page.text
        assert 'aria-invalid="true"' in page.html
        assert page.field("customer_number") == typed, "what was typed is kept"
    assert await office.services.callbacks.reserved_channels() == 0


async def test_a_caller_id_of_others_is_refused(sato: Visitor) -> None:
    page = await order(sato, caller_id=OSAKA)
    assert page.status == 422
    assert "この通知番号は利用できません" in page.text


async def test_a_caller_id_on_an_open_page_stays_good_until_the_page_is_loaded_anew(
    office: Office, sato: Visitor
) -> None:
    opened = await sato.get("/callback")
    for number in (HEAD_OFFICE, SUPPORT):
        await office.services.numbers.unbind_number("受付", number)
    assert NO_CALLER_ID in (await sato.get("/callback")).text
    forged = opened.field("offered").replace(SUPPORT, OSAKA)
    assert NO_CALLER_ID in (await order(sato, caller_id=OSAKA, offered=forged)).text
    placed = await order(sato, caller_id=SUPPORT, offered=opened.field("offered"))
    assert placed.status == 303
    assert (await call_of(office)).caller_id == SUPPORT


async def test_signing_in_anew_ends_what_the_open_page_offered(office: Office, sato: Visitor) -> None:
    opened = await sato.get("/callback")
    for number in (HEAD_OFFICE, SUPPORT):
        await office.services.numbers.unbind_number("受付", number)
    await sato.sign_in("sato")
    assert NO_CALLER_ID in (await order(sato, caller_id=SUPPORT, offered=opened.field("offered"))).text


async def test_without_the_telephone_system_the_form_says_so_and_nothing_is_made(office: Office, sato: Visitor) -> None:
    office.switch.ready = False
    assert "電話システムに接続できない" in (await sato.get("/callback")).text
    page = await order(sato)
    assert page.status == 503
    assert "電話システムに接続できない" in page.text
    assert await office.services.callbacks.reserved_channels() == 0


# The call


async def test_a_call_step_by_step(office: Office, sato: Visitor) -> None:
    placed = await order(sato, "2" + CUSTOMER)
    path = placed.headers["Location"]
    agent = await office.switch.phone(SATO_PHONE)
    assert (await sato.get("/callback")).headers["Location"] == path, "it is shown at once when the page is opened"
    async with events_of(sato, f"{path}/live") as following:
        assert "応答したら「1」を押してください" in await stage_of(following, "ringing_agent")
        agent.answer()
        assert "「1」を押すとお客様へ発信します" in await stage_of(following, "agent_answered")
        agent.press("1")
        assert "キャンセル" in await stage_of(following, "ringing_customer")
        customer = await office.switch.phone(CUSTOMER)
        customer.answer()
        talking = await stage_of(following, "talking")
        assert "03-9876-5432 を通知して通話中" in talking
        assert "キャンセル" not in talking
        customer.put_down()
        ended = await stage_of(following, "ended")
        assert "お客様が電話を切って終了しました" in ended
        assert "再発信" in ended
    page = await sato.get(path)
    assert "発信元応答" in page.text
    assert "お客様が電話を切って終了しました" in page.text


async def test_every_connection_begins_with_the_whole_state(office: Office, sato: Visitor) -> None:
    path = (await order(sato)).headers["Location"]
    (await office.switch.phone(SATO_PHONE)).be_busy()
    await reaches(office, path.rsplit("/", 1)[1], State.ENDED)
    async with events_of(sato, f"{path}/live") as following:
        assert "自身の電話が話中でした" in (await following())[1]


async def test_another_tab_hears_of_the_call(office: Office, sato: Visitor) -> None:
    async with events_of(sato, "/callback/live") as following:
        placed = await order(sato)
        name, data = await following()
        call = json.loads(data)
        assert name == "call.accepted"
        assert placed.headers["Location"].endswith(call["id"])
        assert call["customer_number"] == CUSTOMER
        assert (await following())[0] == "call.ringing_agent"


async def test_nobody_hears_of_anothers_call(browsers: Any, sato: Visitor, office: Office) -> None:
    suzuki = await browsers()
    await suzuki.sign_in("suzuki")
    path = (await order(sato)).headers["Location"]
    assert (await suzuki.get(path)).status == 404
    assert (await suzuki.get(f"{path}/live")).status == 404
    assert (await suzuki.post(f"{path}/cancel")).status == 404
    assert (await call_of(office)).state is not State.ENDED


async def test_streams_are_for_those_signed_in(visitor: Visitor) -> None:
    assert (await visitor.get("/callback/live", headers={"Accept": "text/event-stream"})).status == 401


async def test_the_agent_cancels_until_the_customer_answers(office: Office, sato: Visitor) -> None:
    path = (await order(sato)).headers["Location"]
    await office.switch.phone(SATO_PHONE)
    assert (await sato.post(f"{path}/cancel")).headers["Location"] == path
    await reaches(office, path.rsplit("/", 1)[1], State.ENDED)
    page = await sato.get(path)
    assert "発信をキャンセルしました" in page.text
    assert "取消" in page.text


async def test_once_the_customer_answered_it_is_too_late_to_cancel(office: Office, sato: Visitor) -> None:
    path = (await order(sato)).headers["Location"]
    agent = await office.switch.phone(SATO_PHONE)
    agent.answer()
    agent.press("1")
    (await office.switch.phone(CUSTOMER)).answer()
    await reaches(office, path.rsplit("/", 1)[1], State.TALKING)
    page = await sato.post(f"{path}/cancel")
    assert page.status == 409
    assert "お客様が応答した後はキャンセルできません" in page.text
    assert "通話中" in page.text


async def test_pressing_ok_twice_is_one_call(office: Office, sato: Visitor) -> None:
    typed = {"caller_id": HEAD_OFFICE, "customer_number": CUSTOMER}
    key = (await sato.post("/callback/confirm", typed)).field("key")
    first, second = await order(sato, key=key), await order(sato, key=key)
    assert first.headers["Location"] == second.headers["Location"]


async def test_a_second_call_beside_the_first_is_refused_on_the_page_of_the_first(
    office: Office, sato: Visitor
) -> None:
    await order(sato)
    page = await order(sato, "09022223333")
    assert page.status == 409
    assert "発信中または通話中です" in page.text
    assert "03-1111-2222" in page.text


# Recent calls, redial


async def test_redialling_fills_in_and_asks(office: Office, sato: Visitor) -> None:
    await office.past_call("sato", CUSTOMER, timedelta(minutes=40), shown=SUPPORT)
    page = await sato.get("/callback")
    assert "03-1111-2222" in page.text
    assert "通話 3:10" in page.text
    asked = await sato.get(page.link("03-1111-2222 へリダイヤル"))
    assert "03-1111-2222へ発信します。2チャネル使用" in asked.text
    assert "お客様に表示 03-9876-5432" in asked.text, "the customer sees the same number again"
    assert asked.field("customer_number") == "2" + CUSTOMER
    assert await office.services.callbacks.reserved_channels() == 0


async def test_a_number_somebody_else_just_called_is_warned_of(office: Office, sato: Visitor) -> None:
    await office.past_call("sato", CUSTOMER, timedelta(minutes=90))
    await office.past_call("suzuki", CUSTOMER, timedelta(minutes=10), caller_id=SUPPORT)
    warning = "suzuki がこの番号へ発信しています"
    assert warning in (await sato.get("/callback")).text
    typed = {"caller_id": HEAD_OFFICE, "customer_number": CUSTOMER}
    assert warning in (await sato.post("/callback/confirm", typed)).text
    office.clock.forward(minutes=30)
    assert warning not in (await sato.get("/callback")).text


async def test_nobody_redials_what_they_may_not_see(office: Office, sato: Visitor) -> None:
    theirs = await office.past_call("suzuki", CUSTOMER, timedelta(minutes=10))
    page = await sato.get(f"/callback?redial={theirs.id}")
    assert page.status == 404
    assert "03-1111-2222" not in page.text


async def test_a_device_that_became_an_extension_stops_the_open_page_too(office: Office, sato: Visitor) -> None:
    await office.services.accounts.set("sato", {"device": Device.EXTENSION, "device_number": "201"})
    assert UNAVAILABLE in (await order(sato)).text
