"""/cdrs and /channels."""

from dataclasses import replace
from datetime import datetime, timedelta
from unittest import mock

import pytest

from ari_app.ports import Channel, SwitchError
from tests.fakes.office import CUSTOMER, HEAD_OFFICE, SATO_PHONE, SUPPORT
from tests.web.api.conftest import Api, open_api
from tests.web.api.test_callbacks import ended, talking

ASTERISKS = (
    "calldate clid src dst dcontext channel dstchannel lastapp lastdata start answer end duration billsec disposition "
    "amaflags accountcode uniqueid linkedid peeraccount sequence userfield recordingfile"
)
OURS = "call_id leg caller_id ended_by cause cause_text ring_ms accept_at bridged_at node"


class TestCdrs:
    async def test_two_rows_a_call_in_asterisks_names(self, api: Api) -> None:
        call = await api.office.past_call("sato", CUSTOMER, timedelta(hours=1), talk_s=65.9)
        rows = (await api("GET", f"/cdrs?call_id={call.id}", "root")).json["items"]
        assert " ".join(rows[0]) == f"{ASTERISKS} {OURS}"
        by_leg = {row["leg"]: row for row in rows}
        assert (by_leg[1]["src"], by_leg[1]["dst"]) == (HEAD_OFFICE, SATO_PHONE)
        assert (by_leg[2]["src"], by_leg[2]["dst"], by_leg[2]["billsec"]) == (HEAD_OFFICE, CUSTOMER, 65)
        assert by_leg[2]["disposition"] == "ANSWERED"
        assert datetime.fromisoformat(by_leg[2]["start"]).utcoffset() == timedelta(hours=9)

    async def test_conditions_and_reach(self, api: Api) -> None:
        first = await api.office.past_call("sato", CUSTOMER, timedelta(hours=2))
        second = await api.office.past_call("suzuki", "0322223333", timedelta(hours=1), caller_id=SUPPORT)

        async def calls(query: str, who: str = "root") -> list[str]:
            items = (await api("GET", f"/cdrs?{query}", who)).json["items"]
            return [item["call_id"] for item in items]

        assert await calls("") == [second.id, second.id, first.id, first.id]
        assert await calls("", "super") == [first.id, first.id]
        assert await calls("dst=03-2222") == [second.id]
        assert await calls(f"src={SUPPORT}") == [second.id, second.id]
        first_page = (await api("GET", "/cdrs?limit=3", "root")).json
        assert len(first_page["items"]) == 3
        assert await calls(f"limit=3&cursor={first_page['next']}") == [first.id]

    async def test_wrong_queries(self, api: Api, subtests: pytest.Subtests) -> None:
        calls_cursor = "WyIyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiwgIjAxIiwgZmFsc2Vd"  # of another list
        for query, field in (
            ("call_id=x", "call_id"),
            ("src=x", "src"),
            ("dst=%00", "dst"),
            ("from=x", "from"),
            ("limit=0", "limit"),
            (f"cursor={calls_cursor}", "cursor"),
        ):
            with subtests.test(query=query):
                status, _, named = (await api("GET", f"/cdrs?{query}", "root")).told
                assert (status, named) == (422, field)


class TestChannels:
    async def test_listed_with_their_call(self, api: Api) -> None:
        assert (await api("GET", "/channels", "root")).json == {"items": [], "next": None}
        call_id = await talking(api)
        items = (await api("GET", "/channels", "root")).json["items"]
        assert [(item["number"], item["state"], item["call_id"]) for item in items] == [
            (SATO_PHONE, "Up", call_id),
            (CUSTOMER, "Up", call_id),
        ]

    @pytest.mark.parametrize("leg", [1, 2])
    async def test_cutting_one_ends_the_call(self, api: Api, leg: int) -> None:
        call_id = await talking(api)
        assert (await api("DELETE", f"/channels/{call_id}-{leg}", "root")).status == 204
        assert (await ended(api, call_id))["ended_by"] == "admin"
        assert (await api("GET", "/channels", "root")).json["items"] == []

    async def test_a_strangers_channel(self, api: Api) -> None:
        switch = api.office.switch
        stranger = Channel("1763690000.42", "PJSIP/201-00000001", "Up", "201", api.office.clock.now())
        with (
            mock.patch.object(switch, "channels", return_value=[stranger]),
            mock.patch.object(switch, "hang_up") as hang_up,
        ):
            assert (await api("GET", "/channels", "root")).json["items"][0]["call_id"] is None
            assert (await api("DELETE", "/channels/1763690000.42", "root")).status == 204
            hang_up.assert_awaited_once_with("1763690000.42")
            assert (await api("DELETE", "/channels/1763690000.43", "root")).told[:2] == (404, "not_found")

    async def test_no_such_channel(self, api: Api, subtests: pytest.Subtests) -> None:
        past = await api.office.past_call("sato", CUSTOMER, timedelta(hours=1))
        for wrong in ("x", f"{past.id}-1", "0" * 32 + "-1", "%0d%0a", "x" * 151, "..%2Fbridges%2Fx", "-1"):
            with subtests.test(id=wrong):
                assert (await api("DELETE", f"/channels/{wrong}", "root")).told[:2] == (404, "not_found")

    async def test_switch_gone(self, api: Api) -> None:
        with mock.patch.object(api.office.switch, "channels", side_effect=SwitchError("gone")):
            for method, path in (("GET", "/channels"), ("DELETE", "/channels/1.2")):
                answer = await api(method, path, "root")
                assert answer.told == (503, "telephony_unavailable", None)
                assert answer.headers["Retry-After"]

    async def test_no_switch_in_this_process(self, api: Api) -> None:
        office = api.office
        call_id = await talking(api)
        elsewhere = type(office)(replace(office.services, switch=None), office.switch, office.clock)
        async with open_api(elsewhere) as web_only:
            assert (await web_only("GET", "/channels", "root")).told[:2] == (503, "telephony_unavailable")
            assert (await web_only("DELETE", "/channels/1.2", "root")).told[:2] == (503, "telephony_unavailable")
            assert (await web_only("DELETE", f"/channels/{call_id}-1", "root")).status == 204
        assert (await ended(api, call_id))["ended_by"] == "admin"
