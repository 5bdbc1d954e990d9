"""コールバック発信結果 and 発着信履歴: search, narrowing, pages, permissions."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ari_app.domain.account import Role
from ari_app.domain.ending import Party, Reason
from ari_app.domain.resources import Level, ResourceKind
from db import paging
from tests.fakes.office import CUSTOMER, HEAD_OFFICE, SUPPORT, Office
from tests.web.panel.conftest import Page, Visitor
from web.views.listing import ROWS

TOKYO = ZoneInfo("Asia/Tokyo")
RESULTS = "/callback/results"


def shown(page: Page) -> list[str]:
    """The customer numbers of the rows, in order."""
    assert page.status == 200, page.text
    return re.findall(r'<td data-label="(?:相手の電話番号|2ndコール)" class="num"><b>([^<]*)</b>', page.html)


def counted(page: Page) -> str:
    """The line under the table."""
    found = re.search(r"[\d,]+ 件中 \d+–\d+", page.text)
    return found[0] if found else ""


async def at(office: Office, customer: str, moment: str) -> None:
    """A call of sato's at a local moment."""
    then = datetime.fromisoformat(moment).replace(tzinfo=TOKYO)
    await office.past_call("sato", customer, office.clock.now() - then)


async def test_the_columns_and_the_two_legs(office: Office, sato: Visitor) -> None:
    call = await office.past_call("sato", CUSTOMER, timedelta(minutes=5), shown=SUPPORT)
    page = await sato.get(RESULTS)
    head = page.text[page.text.index("時刻 通知番号") :]
    assert head.startswith("時刻 通知番号 自身の電話番号 相手の電話番号 発信結果 通話 アクション")
    local = call.created_at.astimezone(TOKYO).strftime("%m-%d %H:%M:%S")
    assert f"{local} 03-1234-5678 090-0000-0001 03-1111-2222 発信元応答 3:10 リダイヤル" in page.text
    legs = page.html.split('class="legs"')[1]
    assert "1stコール" in legs
    assert "03-9876-5432 を通知" in legs
    assert "お客様が切断" in legs
    assert re.search(r'<rect class="bar-talk" x="[\d.]+%" width="[\d.]+%"', legs)


async def test_the_end_of_a_day_is_24_00(office: Office, sato: Visitor) -> None:
    await at(office, "0311110001", "2026-11-15T23:59:59")
    await at(office, "0311110002", "2026-11-16T00:00:00")
    day = {"from": "2026-11-15", "from_time": "00:00", "to": "2026-11-15"}
    assert shown(await sato.get(RESULTS, params=day | {"to_time": "24:00"})) == ["03-1111-0001"]
    assert shown(await sato.get(RESULTS, params=day | {"to_time": "23:30"})) == []
    both = await sato.get(RESULTS, params=day | {"to": "2026-11-16", "to_time": "00:30"})
    assert shown(both) == ["03-1111-0002", "03-1111-0001"]
    assert "<option selected>00:30</option>" in both.html


async def test_presets(office: Office, sato: Visitor) -> None:
    now = datetime(2026, 11, 19, 12, tzinfo=TOKYO)  # a Thursday
    office.clock.forward(seconds=(now - office.clock.now()).total_seconds())
    for day in ("19", "18", "16", "13", "11", "01"):
        await at(office, f"03111100{day}", f"2026-11-{day}T10:00:00")
    found = {
        preset: [number[-2:] for number in shown(await sato.get(RESULTS, params={"preset": preset}))]
        for preset in ("today", "yesterday", "this_week", "this_month", "last_7_days", "nonsense", "")
    }
    assert found["today"] == ["19"]
    assert found["yesterday"] == ["18"]
    assert found["this_week"] == ["19", "18", "16"]
    assert found["this_month"] == ["19", "18", "16", "13", "11", "01"]
    assert found["last_7_days"] == found["nonsense"] == found[""] == ["19", "18", "16", "13"]


@pytest.mark.parametrize(
    ("conditions", "problem"),
    [
        ({"from": "2026-11-20", "to": "2026-11-19"}, "終了日時は開始日時より後にしてください"),
        ({"from": "2026-13-40"}, "期間の指定に誤りがあります"),
        ({"from": "2026-11-20", "from_time": "25:00"}, "期間の指定に誤りがあります"),
        ({"customer_number": "abc"}, "電話番号に使えない文字が含まれています"),
    ],
)
async def test_what_is_wrong_with_the_conditions_is_said_and_kept(
    sato: Visitor, conditions: dict[str, str], problem: str
) -> None:
    page = await sato.get(RESULTS, params=conditions)
    assert problem in page.text
    assert shown(page) == []
    for value in conditions.values():
        assert value in page.html


@pytest.mark.parametrize("cursor", ["x", "W10", "%00", "WzEsMiwzXQ"])
async def test_a_broken_place_in_the_pages_is_an_error_not_a_defect(sato: Visitor, cursor: str) -> None:
    assert (await sato.get(RESULTS, params={"cursor": cursor})).status == 422


async def test_conditions_by_number_and_result(office: Office, sato: Visitor) -> None:
    await office.past_call("sato", "0311112222", timedelta(minutes=1))
    await office.past_call("sato", "0311113333", timedelta(minutes=2), caller_id=SUPPORT)
    await office.past_call("sato", "0666667777", timedelta(minutes=3), agent_end=Reason.NO_ANSWER)
    assert shown(await sato.get(RESULTS, params={"customer_number": "03-1111"})) == ["03-1111-2222", "03-1111-3333"]
    assert shown(await sato.get(RESULTS, params={"customer_number": "０３１１１１３"})) == ["03-1111-3333"]
    assert shown(await sato.get(RESULTS, params={"caller_id": SUPPORT})) == ["03-1111-3333"]
    assert shown(await sato.get(RESULTS, params={"result": "agent_not_answered"})) == ["06-6666-7777"]
    assert len(shown(await sato.get(RESULTS, params={"result": "agent_answered"}))) == 2


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("話中", ["06-6666-7777"]),
        ("発信元不応答", ["03-1111-3333", "03-1111-4444"]),
        ("不応答　未応答", ["03-1111-3333"]),
        ("不応答 押さず", ["03-1111-4444"]),
        ("1111-3333", ["03-1111-3333"]),
        ("０３１１１１　完了", ["03-1111-2222"]),
        ("0311113333 話中", []),
        ("%", []),
        ("_", []),
    ],
)
async def test_words_narrow_all_must_match(office: Office, sato: Visitor, words: str, found: list[str]) -> None:
    await office.past_call("sato", "0311112222", timedelta(minutes=1))
    await office.past_call("sato", "0311113333", timedelta(minutes=2), agent_end=Reason.NO_ANSWER)
    await office.past_call("sato", "0311114444", timedelta(minutes=3), agent_end=Reason.NO_DIGIT)
    await office.past_call("sato", "0666667777", timedelta(minutes=4), customer_end=Reason.BUSY)
    page = await sato.get(RESULTS, params={"q": words})
    assert shown(page) == found
    if not found:
        assert "条件に合う記録はありません" in page.text
        assert "期間以外の条件を外す" in page.text


async def test_words_are_in_the_users_language(office: Office, sato: Visitor) -> None:
    await office.past_call("sato", "0666667777", timedelta(minutes=4), customer_end=Reason.BUSY)
    await sato.post("/language", {"language": "en"})
    page = await sato.get(RESULTS, params={"q": "BUSY"})
    assert "06-6666-7777" in page.text
    assert "Customer: Busy" in page.text


async def test_pages_forward_and_back(office: Office, sato: Visitor) -> None:
    for number in range(ROWS * 2 + 3):
        await office.past_call("sato", f"0901234{number:04}", timedelta(minutes=5 + number))
    first = await sato.get(RESULTS, params={"q": "090"})
    assert counted(first) == f"{ROWS * 2 + 3} 件中 1–{ROWS}"
    second = await sato.get(first.link("次のページ"))
    assert counted(second) == f"{ROWS * 2 + 3} 件中 {ROWS + 1}–{ROWS * 2}"
    third = await sato.get(second.link("次のページ"))
    assert counted(third) == f"{ROWS * 2 + 3} 件中 {ROWS * 2 + 1}–{ROWS * 2 + 3}"
    assert "次のページ" not in third.html
    assert shown(first) + shown(second) + shown(third) == [f"090-1234-{number:04}" for number in range(ROWS * 2 + 3)]
    back = await sato.get(third.link("前のページ"))
    assert (shown(back), counted(back)) == (shown(second), counted(second))
    assert shown(await sato.get(back.link("前のページ"))) == shown(first)
    assert shown(await sato.get(third.link("最初のページ"))) == shown(first)


async def test_too_many_results_point_to_the_asynchronous_search(
    office: Office, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "RESULTS_LIMIT", 2)
    for number in range(3):
        await office.past_call("sato", f"031111000{number}", timedelta(minutes=1 + number))
    await visitor.sign_in("root")
    for path in (RESULTS, "/cdrs"):
        page = await visitor.get(path)
        assert "検索結果が2件を超えました。条件を絞り込むか、非同期検索をご利用ください" in page.text
        assert shown(page) == []


async def test_who_sees_which_calls(office: Office, visitor: Visitor) -> None:
    await office.past_call("sato", "0311110001", timedelta(minutes=1), caller_id=HEAD_OFFICE)
    await office.past_call("suzuki", "0311110002", timedelta(minutes=2), caller_id=SUPPORT)
    await office.past_call("suzuki", "0311110003", timedelta(minutes=3), caller_id=HEAD_OFFICE)
    seen = {}
    for login in ("root", "super", "sato", "suzuki"):
        await visitor.sign_in(login)
        seen[login] = [number[-1] for number in shown(await visitor.get(RESULTS))]
    assert seen == {"root": ["1", "2", "3"], "super": ["1", "3"], "sato": ["1"], "suzuki": ["2", "3"]}
    await office.services.accounts.grant("super", ResourceKind.CALL_CENTER, "受付", Level.VIEW)
    await visitor.sign_in("super")
    assert len(shown(await visitor.get(RESULTS))) == 3


async def test_only_who_can_call_is_offered_to_redial(office: Office, visitor: Visitor) -> None:
    await office.past_call("sato", CUSTOMER, timedelta(minutes=1))
    for login, offered in (("root", False), ("sato", True)):
        await visitor.sign_in(login)
        assert ("リダイヤル" in (await visitor.get(RESULTS)).text) is offered


async def test_an_empty_list_says_why_and_offers_one_thing(sato: Visitor) -> None:
    page = await sato.get(RESULTS, params={"preset": "today"})
    assert "この期間の記録はありません 今月を表示" in page.text


# 発着信履歴


async def test_the_rows_of_a_call_are_joined_under_it(office: Office, visitor: Visitor) -> None:
    await office.past_call("sato", CUSTOMER, timedelta(minutes=5), shown=SUPPORT, by=Party.ADMIN)
    await office.past_call("sato", "0666667777", timedelta(minutes=9), customer_end=Reason.BUSY, ring_s=2)
    await office.past_call("sato", "0311119999", timedelta(minutes=12), agent_end=Reason.NO_ANSWER, agent_s=30)
    await visitor.sign_in("root")
    page = await visitor.get("/cdrs")
    assert counted(page) == "3 件中 1–3"
    assert shown(page) == ["03-1111-2222", "06-6666-7777", "–"]
    newest, busy, silent = page.html.split('<tbody class="entry">')[1:]
    assert newest.count('data-label="コール"') == 2
    assert "システム管理者" in newest
    assert "Cut by an administrator (16)" in newest
    assert "3:22 / 3:10" in newest
    assert "User busy (SIP 486) (17)" in busy
    assert silent.count('data-label="コール"') == 1
    assert "Ring limit reached (19)" in silent


async def test_call_records_by_the_beginning_of_a_number(office: Office, visitor: Visitor) -> None:
    await office.past_call("sato", CUSTOMER, timedelta(minutes=5), shown=SUPPORT)
    await office.past_call("suzuki", "0666667777", timedelta(minutes=9), caller_id=SUPPORT)
    await visitor.sign_in("root")
    assert len(shown(await visitor.get("/cdrs", params={"src": "03"}))) == 2
    assert shown(await visitor.get("/cdrs", params={"src": "03-1234"})) == ["03-1111-2222"]
    assert shown(await visitor.get("/cdrs", params={"dst": "080-4444"})) == ["06-6666-7777"]
    assert shown(await visitor.get("/cdrs", params={"dst": "0311112222"})) == ["03-1111-2222"]
    page = await visitor.get("/cdrs", params={"dst": "07"})
    assert "条件に合う記録はありません" in page.text


async def test_the_leg_of_the_agent_says_that_the_customer_was_not_reached(office: Office, sato: Visitor) -> None:
    await office.past_call("sato", CUSTOMER, timedelta(minutes=5), customer_end=Reason.BUSY, ring_s=2)
    legs = (await sato.get(RESULTS)).html.split('class="legs"')[1]
    assert "お客様につながらず終了" in legs
    assert "お客様が切断" not in legs


async def test_a_supervisor_without_grants_is_told_so(office: Office, visitor: Visitor) -> None:
    await office.services.accounts.set("sato", {"role": Role.SUPERVISOR})
    await visitor.sign_in("sato")
    for path in (RESULTS, "/cdrs"):
        page = await visitor.get(path)
        assert "閲覧できる電話番号・コールセンターが付与されていません" in page.text
        assert "今月を表示" not in page.text


async def test_a_supervisor_sees_the_rows_whose_number_is_granted(office: Office, visitor: Visitor) -> None:
    await office.past_call("sato", CUSTOMER, timedelta(minutes=5), shown=SUPPORT)
    await office.past_call("suzuki", "0666667777", timedelta(minutes=9), caller_id=SUPPORT)
    await visitor.sign_in("super")
    page = await visitor.get("/cdrs")
    assert counted(page) == "1 件中 1–1"
    assert "090-0000-0001" in page.text
    assert "03-1111-2222" not in page.text, "leg 2 showed another number"
    assert "06-6666-7777" not in page.text


async def test_pages_of_calls_never_part_a_call(office: Office, visitor: Visitor) -> None:
    for number in range(ROWS + 1):
        await office.past_call("sato", f"0901234{number:04}", timedelta(minutes=5 + number))
    await visitor.sign_in("root")
    first = await visitor.get("/cdrs")
    assert counted(first) == f"{ROWS + 1} 件中 1–{ROWS}"
    second = await visitor.get(first.link("次のページ"))
    assert shown(second) == [f"090-1234-{ROWS:04}"]
    assert second.html.count('data-label="コール"') == 2
    assert shown(await visitor.get(second.link("前のページ"))) == shown(first)
