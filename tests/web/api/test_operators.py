"""/healthz, /readyz, /metrics, /api/openapi.json, /api/docs."""

import asyncio
import re

from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.office import CUSTOMER, HEAD_OFFICE, SATO_PHONE
from tests.web.api.conftest import CHANNELS, Api
from tests.web.api.test_callbacks import ended, talking


async def test_health(api: Api) -> None:
    assert (await api("GET", "/healthz")).json == {"status": "ok", "process": "ok"}
    assert (await api("GET", "/readyz")).json == {"status": "ok", "database": "ok", "ari": "ok"}
    api.office.switch.ready = False
    ready = await api("GET", "/readyz")
    assert (ready.status, ready.json) == (503, {"status": "unavailable", "database": "ok", "ari": "unavailable"})
    assert (await api("GET", "/healthz")).status == 200


async def measured(api: Api) -> dict[tuple[str, str], float]:
    """Every sample: (name, labels) → value."""
    answer = await api("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_metrics_follow_a_call(api: Api) -> None:
    before = await measured(api)
    assert before["kakehashi_channel_limit", ""] == CHANNELS
    assert before["kakehashi_reserved_channels", ""] == 0
    assert before["kakehashi_ari_connected", ""] == 1
    call_id = await talking(api)
    during = await measured(api)
    assert during["kakehashi_reserved_channels", ""] == 2
    assert during["kakehashi_open_calls", "talking"] == 1
    (await api.office.switch.phone(CUSTOMER)).put_down()
    await ended(api, call_id)
    async with asyncio.timeout(5):
        while ("kakehashi_calls_total", "completed,agent_answered") not in (after := await measured(api)):
            await asyncio.sleep(0.01)
    assert after["kakehashi_calls_total", "completed,agent_answered"] == 1
    assert after["kakehashi_open_calls", "talking"] == 0
    assert after["kakehashi_ring_seconds_count", "yes,agent"] == 1
    assert after["kakehashi_answer_seconds_count", "customer"] == 1
    assert after["kakehashi_talk_seconds_count", ""] == 1
    assert after["kakehashi_writer_orders_total", ""] >= after["kakehashi_writer_batches_total", ""] > 0
    assert after["kakehashi_bus_lost_events_total", ""] == 0


async def test_metrics_hold_nobodys_number(api: Api) -> None:
    call_id = await talking(api)
    (await api.office.switch.phone(CUSTOMER)).put_down()
    await ended(api, call_id)
    labels = re.findall(r'="([^"]*)"', (await api("GET", "/metrics")).text)
    assert labels
    for secret in (HEAD_OFFICE, SATO_PHONE, CUSTOMER, call_id, "sato"):
        assert not [label for label in labels if secret in label]


async def test_the_document_is_served_to_anybody(api: Api) -> None:
    document = (await api("GET", "/api/openapi.json")).json
    assert document["openapi"].startswith("3.1")
    assert {"/callbacks", "/callbacks/{id}", "/cdrs", "/channels", "/channels/{id}", "/events"} <= set(
        document["paths"]
    )
    assert {"/numbers", "/prefixes", "/callcenters", "/accounts", "/grants", "/tokens"} <= set(document["paths"])


async def test_the_page_is_under_a_strict_policy(api: Api) -> None:
    page = await api("GET", "/api/docs")
    assert page.status == 200
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        async with api.client.get(asset) as response:
            assert response.status == 200, asset
