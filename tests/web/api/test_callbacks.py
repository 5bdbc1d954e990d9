"""/callbacks: place, follow, end, search."""

import asyncio
import itertools
import re
from datetime import timedelta
from typing import Any

import pytest

from ari_app.domain.ending import Reason
from tests.fakes.office import CUSTOMER, HEAD_OFFICE, OSAKA, SATO_PHONE, SUPPORT, SUZUKI_PHONE, open_office
from tests.web.api.conftest import Api, open_api

WRONG_ORDERS: list[tuple[Any, tuple[str, str]]] = [
    ({}, ("missing", "caller_id")),
    ({"caller_id": HEAD_OFFICE}, ("missing", "customer_number")),
    ({"customer_number": CUSTOMER}, ("missing", "caller_id")),
    ({"caller_id": HEAD_OFFICE, "customer_number": 311112222}, ("wrong_type", "customer_number")),
    ({"caller_id": HEAD_OFFICE, "customer_number": None}, ("wrong_type", "customer_number")),
    ({"caller_id": [HEAD_OFFICE], "customer_number": CUSTOMER}, ("wrong_type", "caller_id")),
    ({"caller_id": HEAD_OFFICE, "customer_number": CUSTOMER, "x": 1}, ("unknown_field", "x")),
    ({"caller_id": HEAD_OFFICE, "customer_number": ""}, ("number_missing", "customer_number")),
    ({"caller_id": HEAD_OFFICE, "customer_number": "03"}, ("number_length", "customer_number")),
    ({"caller_id": HEAD_OFFICE, "customer_number": "0" * 31}, ("number_length", "customer_number")),
    ({"caller_id": HEAD_OFFICE, "customer_number": "110"}, ("emergency_number", "customer_number")),
    ({"caller_id": HEAD_OFFICE, "customer_number": "0570123456"}, ("destination_not_allowed", "customer_number")),
    ({"caller_id": HEAD_OFFICE, "customer_number": "+14155550100"}, ("destination_not_allowed", "customer_number")),
    ({"caller_id": HEAD_OFFICE, "customer_number": OSAKA}, ("own_company_number", "customer_number")),
    ({"caller_id": HEAD_OFFICE, "customer_number": SATO_PHONE}, ("own_device_number", "customer_number")),
    ({"caller_id": OSAKA, "customer_number": CUSTOMER}, ("caller_id_not_allowed", "caller_id")),
    ({"caller_id": "0999999999", "customer_number": CUSTOMER}, ("caller_id_not_allowed", "caller_id")),
]
HOSTILE_NUMBERS = [
    "0311112222\r\nX: 1",
    "0311112222&x=1",
    "0311112222@example.com",
    "0311112222;phone-context=x",
    "${EVAL(1)}0311112222",
    "sip:x@example.com?X=1",
    "📞0311112222",
    "0311112222\x00",
    "٠٣١١١١٢٢٢٢",
    "03-1111-2222'; DROP TABLE callback--",
    "0" * 10_000,
]
WRONG_QUERIES = [
    ("limit=0", "limit"),
    ("limit=1001", "limit"),
    ("limit=x", "limit"),
    ("limit=", "limit"),
    ("limit=1.0", "limit"),
    ("limit=1_0", "limit"),
    ("limit=" + "9" * 30, "limit"),
    ("limit=1&limit=2", "limit"),
    ("cursor=x", "cursor"),
    ("cursor=W10", "cursor"),
    ("cursor=" + "W1tb" * 60, "cursor"),
    ("cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiwgMSwgZmFsc2Vd", "cursor"),
    ("from=yesterday", "from"),
    ("to=2026-02-30", "to"),
    ("from=2026-11-21 25:00", "from"),
    ("from=2026-11-21&to=2026-11-20", "to"),
    ("from=0001-01-01", "from"),
    ("result=maybe", "result"),
    ("customer_number=abc", "customer_number"),
    ("q=" + "x" * 201, "q"),
    ("nothing=1", "nothing"),
]


async def standing(api: Api, call_id: str, state: str, who: str = "root") -> Any:
    async with asyncio.timeout(5):
        while True:
            call = (await api("GET", f"/callbacks/{call_id}", who)).json
            if call["state"] == state:
                return call
            await asyncio.sleep(0.01)


async def ended(api: Api, call_id: str, who: str = "root") -> Any:
    return await standing(api, call_id, "ended", who)


async def talking(api: Api, who: str = "sato") -> str:
    """A callback whose two phones have answered."""
    call_id: str = (await api.order(who)).json["id"]
    (await api.office.switch.phone(SATO_PHONE)).answer()
    (await api.office.switch.phone(CUSTOMER)).answer()
    async with asyncio.timeout(5):
        while (await api("GET", f"/callbacks/{call_id}", who)).json["state"] != "talking":
            await asyncio.sleep(0.01)
    return call_id


class TestPlace:
    async def test_accepted_with_its_place_and_representation(self, api: Api) -> None:
        answer = await api.order("sato", "０３－１１１１－２２２２")
        assert answer.status == 202
        assert answer.headers["Location"] == f"/api/v1/callbacks/{answer.json['id']}"
        assert answer.json["state"] in ("accepted", "ringing_agent")
        assert answer.json["customer_number"] == CUSTOMER
        assert (await api("GET", answer.headers["Location"], "sato")).json["id"] == answer.json["id"]

    async def test_both_legs_are_told_once_dialled(self, api: Api) -> None:
        call_id = await talking(api)
        call = (await api("GET", f"/callbacks/{call_id}", "sato")).json
        assert [(leg["role"], leg["number"], leg["caller_id"]) for leg in call["legs"]] == [
            ("agent", SATO_PHONE, HEAD_OFFICE),
            ("customer", CUSTOMER, HEAD_OFFICE),
        ]
        assert re.fullmatch(r".*T.*\+09:00", call["talking_at"])
        (await api.office.switch.phone(CUSTOMER)).put_down()
        call = await ended(api, call_id)
        assert (call["result"], call["reason"], call["ended_by"]) == ("agent_answered", "completed", "customer")
        assert call["legs"][1]["ended_by"] == "customer"

    async def test_a_leg_is_told_while_it_rings(self, api: Api) -> None:
        call_id = (await api.order("sato")).json["id"]
        phone = await api.office.switch.phone(SATO_PHONE)
        call = await standing(api, call_id, "ringing_agent")
        assert [leg["role"] for leg in call["legs"]] == ["agent"]
        assert (call["legs"][0]["started_at"] is not None, call["legs"][0]["answered_at"]) == (True, None)
        phone.answer()
        await api.office.switch.phone(CUSTOMER)
        call = await standing(api, call_id, "ringing_customer")
        assert [leg["role"] for leg in call["legs"]] == ["agent", "customer"]
        assert [leg["answered_at"] is not None for leg in call["legs"]] == [True, False]

    async def test_unanswered_agent_leaves_one_leg(self, api: Api) -> None:
        call_id = (await api.order("sato")).json["id"]
        (await api.office.switch.phone(SATO_PHONE)).be_busy()
        call = await ended(api, call_id)
        assert (call["result"], call["reason"], call["reason_text"]) == ("agent_not_answered", "busy", "話中")
        assert len(call["legs"]) == 1
        english = await api("GET", f"/callbacks/{call_id}", "sato", headers={"Accept-Language": "en"})
        assert english.headers["Content-Language"] == "en"

    async def test_prefix_chooses_the_customers_caller_id(self, api: Api) -> None:
        call = (await api.order("sato", f"2{CUSTOMER}")).json
        assert (call["caller_id"], call["customer_caller_id"]) == (HEAD_OFFICE, SUPPORT)

    async def test_wrong_input_names_the_field(self, api: Api, subtests: pytest.Subtests) -> None:
        for body, told in WRONG_ORDERS:
            with subtests.test(body=body):
                assert (await api("POST", "/callbacks", "sato", json=body)).told == (422, *told)
        assert (await api("GET", "/callbacks", "sato")).json["items"] == []

    async def test_hostile_numbers(self, api: Api, subtests: pytest.Subtests) -> None:
        for name, text in itertools.product(("caller_id", "customer_number"), HOSTILE_NUMBERS):
            with subtests.test(name=name, text=text[:40]):
                body = {"caller_id": HEAD_OFFICE, "customer_number": CUSTOMER} | {name: text}
                status, _, field = (await api("POST", "/callbacks", "sato", json=body)).told
                assert (status, field) == (422, name)
        assert await api.office.services.callbacks.reserved_channels() == 0

    async def test_preconditions(self, api: Api, subtests: pytest.Subtests) -> None:
        for login, told in {
            "root": (422, "callback_unavailable", None),
            "super": (422, "callback_unavailable", None),
            "desk": (422, "callback_unavailable", None),
            "wrong": (422, "own_company_number", "device_number"),
            "lonely": (422, "no_caller_id", None),
        }.items():
            with subtests.test(login=login):
                assert (await api.order(login)).told == told

    async def test_precondition_texts_are_the_manuals(self, api: Api) -> None:
        assert (await api.order("desk")).json["detail"] == (
            "アカウントのエージェント利用が無効であるか、サインイン端末が内線番号になっています\n"
            "エージェント利用が有効なアカウントでログインするか、サインイン端末を変更してください"
        )

    async def test_one_call_an_agent(self, api: Api) -> None:
        await api.order("sato")
        assert (await api.order("sato", "0322223333")).told == (409, "agent_busy", None)

    async def test_no_channels_left(self, sqlite_url: str) -> None:
        async with open_office(sqlite_url, channel_limit=2) as office, open_api(office) as api:
            assert (await api.order("sato")).status == 202
            refused = await api.order("suzuki")
            assert refused.told == (409, "capacity", None)
            assert "2" in refused.json["detail"]
            assert await office.services.callbacks.reserved_channels() == 2

    async def test_telephony_down(self, api: Api) -> None:
        api.office.switch.ready = False
        refused = await api.order("sato")
        assert refused.told == (503, "telephony_unavailable", None)
        assert int(refused.headers["Retry-After"]) > 0
        assert await api.office.services.callbacks.reserved_channels() == 0


class TestIdempotency:
    async def test_same_key_same_call(self, api: Api) -> None:
        key = {"Idempotency-Key": "order-1"}
        first, second = await api.order("sato", headers=key), await api.order("sato", headers=key)
        assert (first.status, second.status) == (202, 202)
        assert first.json["id"] == second.json["id"]
        (await api.office.switch.phone(SATO_PHONE)).put_down()
        await ended(api, first.json["id"])
        assert (await api.order("sato", headers=key)).json["id"] == first.json["id"]
        assert len((await api("GET", "/callbacks", "sato")).json["items"]) == 1

    async def test_at_once(self, api: Api) -> None:
        key = {"Idempotency-Key": "order-2"}
        answers = await asyncio.gather(*(api.order("sato", headers=key) for _ in range(20)))
        assert {answer.status for answer in answers} == {202}
        assert len({answer.json["id"] for answer in answers}) == 1
        assert await api.office.services.callbacks.reserved_channels() == 2

    async def test_another_body_with_the_key(self, api: Api) -> None:
        key = {"Idempotency-Key": "order-3"}
        await api.order("sato", headers=key)
        assert (await api.order("sato", "0322223333", headers=key)).told == (
            422,
            "idempotency_conflict",
            "Idempotency-Key",
        )

    async def test_keys_are_of_one_account(self, api: Api) -> None:
        key = {"Idempotency-Key": "order-4"}
        first, second = await api.order("sato", headers=key), await api.order("suzuki", headers=key)
        assert second.status == 202
        assert first.json["id"] != second.json["id"]

    async def test_wrong_key(self, api: Api, subtests: pytest.Subtests) -> None:
        for key in ("", "a b", "キー", "x" * 256):
            with subtests.test(key=key):
                status, _, field = (await api.order("sato", headers={"Idempotency-Key": key})).told
                assert (status, field) == (422, "Idempotency-Key")

    async def test_longest_key(self, api: Api) -> None:
        assert (await api.order("sato", headers={"Idempotency-Key": "~" * 255})).status == 202


class TestSee:
    async def test_others_calls_are_not_there(self, api: Api) -> None:
        call_id = (await api.order("sato")).json["id"]
        assert (await api("GET", f"/callbacks/{call_id}", "suzuki")).told == (404, "not_found", None)
        assert (await api("DELETE", f"/callbacks/{call_id}", "suzuki")).told == (404, "not_found", None)
        assert (await api("GET", f"/callbacks/{call_id}", "super")).status == 200
        assert (await api("GET", f"/callbacks/{call_id}", "root")).status == 200

    async def test_supervisor_sees_granted_caller_ids_only(self, api: Api) -> None:
        shown = await api.office.past_call("sato", CUSTOMER, timedelta(hours=1))
        hidden = await api.office.past_call("sato", CUSTOMER, timedelta(hours=2), caller_id=SUPPORT)
        assert [item["id"] for item in (await api("GET", "/callbacks", "super")).json["items"]] == [shown.id]
        assert (await api("GET", f"/callbacks/{hidden.id}", "super")).status == 404

    async def test_no_such_call(self, api: Api, subtests: pytest.Subtests) -> None:
        for wrong in ("x", "0" * 31, "0" * 33, "%00", "..%2Fcdrs", "ÄÖ", "0" * 32):
            with subtests.test(id=wrong):
                assert (await api("GET", f"/callbacks/{wrong}", "root")).told[:2] == (404, "not_found")


class TestCancel:
    async def test_owner_before_the_customer_answers(self, api: Api) -> None:
        call_id = (await api.order("sato")).json["id"]
        await api.office.switch.phone(SATO_PHONE)
        answer = await api("DELETE", f"/callbacks/{call_id}", "sato")
        assert (answer.status, answer.json["id"]) == (202, call_id)
        call = await ended(api, call_id)
        assert (call["reason"], call["ended_by"]) == ("cancelled", "agent")

    async def test_owner_too_late(self, api: Api) -> None:
        call_id = await talking(api)
        assert (await api("DELETE", f"/callbacks/{call_id}", "sato")).told == (409, "too_late_to_cancel", None)
        assert (await api("DELETE", f"/callbacks/{call_id}", "root")).status == 202
        assert (await ended(api, call_id))["ended_by"] == "admin"

    async def test_supervisor_may_look_not_cut(self, api: Api) -> None:
        call_id = (await api.order("sato")).json["id"]
        assert (await api("DELETE", f"/callbacks/{call_id}", "super")).told == (403, "not_permitted", None)

    async def test_what_has_ended_is_success(self, api: Api) -> None:
        past = await api.office.past_call("sato", CUSTOMER, timedelta(hours=1))
        for who in ("sato", "root"):
            answer = await api("DELETE", f"/callbacks/{past.id}", who)
            assert (answer.status, answer.json["state"]) == (202, "ended")

    async def test_administrators_own_call(self, api: Api) -> None:
        call_id = (await api("POST", "/callbacks", "kanri", json=await _admin_order(api))).json["id"]
        await api.office.switch.phone("09077770001")
        await api("DELETE", f"/callbacks/{call_id}", "kanri")
        assert (await ended(api, call_id))["ended_by"] == "agent"


class TestSearch:
    async def ids(self, api: Api, query: str, who: str = "root") -> list[str]:
        answer = await api("GET", f"/callbacks?{query}", who)
        assert answer.status == 200, answer.text
        return [item["id"] for item in answer.json["items"]]

    async def test_conditions(self, api: Api) -> None:
        office = api.office
        first = await office.past_call("sato", CUSTOMER, timedelta(hours=3))
        second = await office.past_call("sato", "0322223333", timedelta(hours=2), agent_end=Reason.BUSY)
        third = await office.past_call("suzuki", CUSTOMER, timedelta(hours=1), caller_id=SUPPORT)
        assert await self.ids(api, "") == [third.id, second.id, first.id]
        assert await self.ids(api, "", "sato") == [second.id, first.id]
        assert await self.ids(api, "customer_number=03-1111") == [third.id, first.id]
        assert await self.ids(api, f"caller_id={SUPPORT}") == [third.id]
        assert await self.ids(api, "result=agent_not_answered") == [second.id]
        assert await self.ids(api, "q=話中") == [second.id]
        assert await self.ids(api, f"q={SUZUKI_PHONE[:4]}　発信元応答") == [third.id]
        moment = office.clock.now() - timedelta(hours=1, minutes=30)
        local = moment.astimezone(office.services.settings.zone)
        assert await self.ids(api, f"from={local:%Y-%m-%d %H:%M}") == [third.id]
        assert await self.ids(api, f"to={local.isoformat().replace('+', '%2B')}") == [second.id, first.id]
        # the + of an offset that nobody escaped
        assert await self.ids(api, f"from={local.isoformat(timespec='seconds')}") == [third.id]

    async def test_24_o_clock(self, api: Api) -> None:
        day = api.office.clock.now().astimezone(api.office.services.settings.zone).date()
        call = await api.office.past_call("sato", CUSTOMER, timedelta(seconds=1))
        assert await self.ids(api, f"from={day} 00:00&to={day} 24:00") == [call.id]

    async def test_pages_meet_without_gap_or_repeat(self, api: Api) -> None:
        calls = [await api.office.past_call("sato", CUSTOMER, timedelta(minutes=index)) for index in range(1, 8)]
        seen, cursor = [], ""
        while cursor is not None:
            page = (await api("GET", f"/callbacks?limit=3{cursor and f'&cursor={cursor}'}", "sato")).json
            seen += [item["id"] for item in page["items"]]
            cursor = page["next"]
        assert seen == [call.id for call in calls]

    async def test_wrong_queries(self, api: Api, subtests: pytest.Subtests) -> None:
        for query, field in WRONG_QUERIES:
            with subtests.test(query=query):
                status, _, named = (await api("GET", f"/callbacks?{query}", "sato")).told
                assert (status, named) == (422, field)

    async def test_longest_page(self, api: Api) -> None:
        assert (await api("GET", "/callbacks?limit=1000", "sato")).status == 200


async def _admin_order(api: Api) -> dict[str, str]:
    services = api.office.services
    (center,) = await services.numbers.all_call_centers()
    await services.numbers.set_call_center(center.id, logins=[*center.agents, "kanri"])
    return {"caller_id": HEAD_OFFICE, "customer_number": CUSTOMER}
