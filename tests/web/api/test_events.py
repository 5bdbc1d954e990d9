"""/events: a snapshot, then what happens, to those who may see it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

from aiohttp import ClientResponse

from tests.fakes.office import CUSTOMER, SATO_PHONE, SUPPORT
from tests.web.api.conftest import Api
from tests.web.api.test_callbacks import talking


class Stream:
    """The events of one listener."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.last_id = ""

    async def next(self) -> tuple[str, Any]:
        """The next event: name, data."""
        event: dict[str, str] = {}
        async with asyncio.timeout(5):
            while line := (await self.response.content.readline()).decode():
                if line.strip():
                    name, _, value = line.rstrip("\r\n").partition(": ")
                    event[name] = value
                elif "data" in event:
                    self.last_id = event["id"]
                    return event["event"], json.loads(event["data"])
        raise EOFError

    async def until(self, name: str) -> Any:
        """The data of the next event of that name."""
        while True:
            told, data = await self.next()
            if told == name:
                return data


@asynccontextmanager
async def listening(api: Api, who: str, last_id: str | None = None, token: str | None = None) -> AsyncIterator[Stream]:
    headers = {"Authorization": f"Bearer {token or await api.token(who)}"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    async with api.client.get("/api/v1/events", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield Stream(response)


async def test_every_step_in_order(api: Api) -> None:
    async with listening(api, "sato") as stream:
        assert await stream.next() == ("snapshot", {"items": []})
        call_id = await talking(api)
        (await api.office.switch.phone(CUSTOMER)).put_down()
        told = [await stream.next() for _ in range(6)]
    steps = ["accepted", "ringing_agent", "agent_answered", "ringing_customer", "talking", "ended"]
    assert [name for name, _ in told] == [f"call.{step}" for step in steps]
    assert [data["state"] for _, data in told] == steps
    assert {data["id"] for _, data in told} == {call_id}
    assert told[-1][1] == (await api("GET", f"/callbacks/{call_id}", "sato")).json
    assert len((await api("GET", f"/cdrs?call_id={call_id}", "root")).json["items"]) == 2


async def test_snapshot_of_what_is_open(api: Api) -> None:
    call_id = await talking(api)
    async with listening(api, "root") as stream:
        _, snapshot = await stream.next()
    assert [(call["id"], call["state"]) for call in snapshot["items"]] == [(call_id, "talking")]


async def test_only_what_they_may_see(api: Api) -> None:
    async with (
        listening(api, "suzuki") as colleague,
        listening(api, "super") as supervisor,
        listening(api, "root") as administrator,
    ):
        for stream in (colleague, supervisor, administrator):
            await stream.next()
        hidden = await api("POST", "/callbacks", "sato", json={"caller_id": SUPPORT, "customer_number": CUSTOMER})
        (await api.office.switch.phone(SATO_PHONE)).put_down()
        assert (await administrator.until("call.ended"))["id"] == hidden.json["id"]
        shown = await api.order("suzuki")
        # The first they hear of is the second call: the first has another's account, and a caller ID not granted.
        assert (await colleague.next())[1]["id"] == shown.json["id"]
        assert (await supervisor.next())[1]["id"] == shown.json["id"]


async def test_what_ended_while_away(api: Api) -> None:
    async with listening(api, "sato") as stream:
        await stream.next()
        call_id = await talking(api)
        await stream.until("call.talking")
    (await api.office.switch.phone(CUSTOMER)).put_down()
    async with listening(api, "sato", stream.last_id) as again:
        assert (await again.next())[0] == "snapshot"
        assert (await again.until("call.ended"))["id"] == call_id


async def test_a_strange_last_id_is_no_matter(api: Api) -> None:
    await api.office.past_call("sato", CUSTOMER, timedelta(hours=1))
    for strange in ("x", "9" * 40, "-1", "١"):
        async with listening(api, "sato", strange) as stream:
            assert (await stream.next())[0] == "snapshot"


async def test_changes_of_another_process_are_found(api: Api) -> None:
    with mock.patch("web.live.REFRESH_S", 0.05), mock.patch.object(api.office.services.bus, "publish"):
        async with listening(api, "sato") as stream:
            await stream.next()
            call_id = await talking(api)
            assert (await stream.until("call.talking"))["id"] == call_id
            (await api.office.switch.phone(CUSTOMER)).put_down()
            assert (await stream.until("call.ended"))["id"] == call_id


async def test_the_stream_ends_with_its_token(api: Api) -> None:
    made = (await api("POST", "/tokens", "root", json={"account": "sato"})).json
    with mock.patch("web.live.REFRESH_S", 0.05):
        async with listening(api, "sato", token=made["token"]) as stream:
            await stream.next()
            await api("DELETE", f"/tokens/{made['id']}", "root")
            async with asyncio.timeout(5):
                assert b"call." not in await stream.response.content.read()
