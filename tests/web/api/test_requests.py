"""Requests that are no good, and surroundings that are gone: told clearly, in problem+json, and nothing breaks."""

import gzip
import json
from unittest import mock

import pytest
from sqlalchemy.exc import OperationalError

from tests.web.api.conftest import Api
from web.api.dispatch import BODY_BYTES

JSON = {"Content-Type": "application/json"}
GOOD = json.dumps({"tel": "0333334444", "name": "新宿"})


@pytest.mark.parametrize(
    ("body", "headers", "told"),
    [
        (b"", JSON, (400, "malformed", None)),
        (b"{", JSON, (400, "malformed", None)),
        (b"nonsense", JSON, (400, "malformed", None)),
        (b'{"tel": NaN}', JSON, (422, "wrong_type", "tel")),
        (b'{"tel": "\xff\xfe"}', JSON, (400, "malformed", None)),
        (b'{"tel": "\\ud800"}', JSON, (400, "malformed", None)),
        (b"[" * 30_000, JSON, (400, "malformed", None)),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, JSON, (400, "malformed", None)),
        (b"[]", JSON, (422, "wrong_type", "body")),
        (b"null", JSON, (422, "wrong_type", "body")),
        (b'"text"', JSON, (422, "wrong_type", "body")),
        (b'{"tel": "0333334444", "name": 1}', JSON, (422, "wrong_type", "name")),
        (b'{"tel": "0333334444", "name": "a\\u0000b"}', JSON, (422, "wrong_format", "name")),
        (b'{"tel": "0333334444", "name": "a\\r\\nb"}', JSON, (422, "wrong_format", "name")),
        (b'{"tel": "0333334444", "name": "' + b"x" * 121 + b'"}', JSON, (422, "out_of_range", "name")),
        (b'{"tel": "' + b"0" * 10_000 + b'"}', JSON, (422, "out_of_range", "tel")),
        (b" " * (BODY_BYTES + 1), JSON, (413, "too_large", None)),
        (b" " * 900_000, JSON, (413, "too_large", None)),
        (gzip.compress(b" " * 5_000_000), JSON | {"Content-Encoding": "gzip"}, (413, "too_large", None)),
        (b"no gzip", JSON | {"Content-Encoding": "gzip"}, (400, "malformed", None)),
        (GOOD.encode(), {"Content-Type": "text/plain"}, (415, "unsupported_media_type", None)),
        (GOOD.encode(), {"Content-Type": "application/x-www-form-urlencoded"}, (415, "unsupported_media_type", None)),
        (
            GOOD.encode("utf-16"),
            {"Content-Type": "application/json; charset=utf-16"},
            (415, "unsupported_media_type", None),
        ),
        (GOOD.encode(), {}, (415, "unsupported_media_type", None)),
    ],
)
async def test_bodies(api: Api, body: bytes, headers: dict[str, str], told: tuple[int, str, str | None]) -> None:
    skip = {"skip_auto_headers": ["Content-Type"]}
    assert (await api("POST", "/numbers", "root", data=body, headers=headers, **skip)).told == told
    assert len(await api.office.services.numbers.all()) == 3


async def test_good_body(api: Api) -> None:
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    assert (await api("POST", "/numbers", "root", data=GOOD.encode(), headers=headers)).status == 201


async def test_no_such_path(api: Api, subtests: pytest.Subtests) -> None:
    for path in ("/nothing", "/callbacks/", "/numbers/1/2", "/api/v2/callbacks", "/api/x", "/api/"):
        with subtests.test(path=path):
            assert (await api("GET", path, "root")).told == (404, "no_such_path", None)


async def test_wrong_method(api: Api) -> None:
    answer = await api("PUT", "/callbacks", "root")
    assert answer.told == (405, "method_not_allowed", None)
    assert set(answer.headers["Allow"].split(",")) == {"GET", "POST"}


async def test_wrong_ids(api: Api, subtests: pytest.Subtests) -> None:
    for wrong in ("0", "-1", "x", "1.0", "1_0", "%31%20", "9" * 30, "2147483648", "%00", "１"):
        with subtests.test(id=wrong):
            assert (await api("GET", f"/numbers/{wrong}", "root")).told[:2] == (404, "not_found")


async def test_database_gone(api: Api) -> None:
    await api("GET", "/numbers", "root")
    gone = OperationalError("SELECT", {}, ConnectionError("gone"))
    with mock.patch("sqlalchemy.ext.asyncio.AsyncConnection.execute", side_effect=gone):
        answer = await api("GET", "/numbers", "root")
        assert answer.told == (503, "database_unavailable", None)
        assert int(answer.headers["Retry-After"]) > 0
        ready = await api("GET", "/readyz")
        assert (ready.status, ready.json) == (503, {"status": "unavailable", "database": "unavailable", "ari": "ok"})
        assert (await api("GET", "/healthz")).status == 200
        assert "kakehashi_database_up 0.0" in (await api("GET", "/metrics")).text
    assert (await api("GET", "/numbers", "root")).status == 200


async def test_a_defect_is_told_without_its_inside(api: Api) -> None:
    with mock.patch.object(type(api.office.services.numbers), "all", side_effect=ZeroDivisionError("secret")):
        answer = await api("GET", "/numbers", "root")
    assert answer.told == (500, "error", None)
    assert "secret" not in answer.text
