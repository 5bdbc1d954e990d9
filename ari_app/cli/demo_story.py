"""The demo's story: a small company, one callback over the HTTP API, and whether it went as it should."""

import asyncio
import json
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import typer

from ari_app.asterisk.carrier import AGENT_TONE_HZ, CUSTOMER_TONE_HZ, Carrier, CarrierCall
from ari_app.asterisk.tones import heard_s
from ari_app.cli.cdr import COLUMNS
from ari_app.cli.output import language, say, table
from ari_app.config import Settings
from ari_app.domain.account import Device, Role
from ari_app.domain.callback import Acceptance, State
from ari_app.domain.numbers import format_national
from ari_app.domain.resources import Level, ResourceKind
from ari_app.main import open_services
from web.credentials import fingerprint, hash_password, new_token
from web.language import state_text, translate

PASSWORD_BYTES = 9
READY_S = 20
CALL_S = 60
POLL_S = 0.05
LEAST_VOICE_S = 2  # of the five seconds that the two talk

CALLER_ID, SHOWN_BY_PREFIX, PREFIX = "0312345678", "05031234567", "9"
AGENT_PHONE = "09011110021"  # answers after 1 s, presses 1, then its tone
CUSTOMER_PHONE = "09022220031"  # answers after 1 s, its tone for 5 s, hangs up


@dataclass(frozen=True, slots=True)
class Office:
    """Who can sign in, and the tokens the demo calls the API with."""

    sign_ins: tuple[str, ...]
    password: str
    agent_token: str
    admin_token: str


async def open_office(settings: Settings) -> Office:
    """Create the company in an empty database."""
    office = Office(("agent", "supervisor", "admin"), secrets.token_urlsafe(PASSWORD_BYTES), new_token(), new_token())
    hash_ = await hash_password(office.password)
    async with open_services(settings) as services:
        now = services.clock.now()
        extension = {"device": Device.EXTENSION, "password_hash": hash_}
        admin, _, agent = await services.accounts.add_all(
            [
                {"login": "admin", "name": "システム管理者", "role": Role.ADMIN} | extension,
                {"login": "supervisor", "name": "佐藤 直子", "role": Role.SUPERVISOR} | extension,
                {
                    "login": "agent",
                    "name": "鈴木 一郎",
                    "role": Role.USER,
                    "agent": True,
                    "device": Device.EXTERNAL,
                    "device_number": AGENT_PHONE,
                    "acceptance": Acceptance.PRESS1,
                    "verified_at": now,
                    "password_hash": hash_,
                },
            ],
            now,
        )
        await services.numbers.add(CALLER_ID, "代表", now)
        await services.numbers.add(SHOWN_BY_PREFIX, "キャンペーン", now)
        await services.numbers.add_prefix(PREFIX, SHOWN_BY_PREFIX)
        center = await services.numbers.add_call_center(
            "サポートセンター", [CALLER_ID, SHOWN_BY_PREFIX], [agent.login], now
        )
        await services.accounts.grant("supervisor", ResourceKind.CALL_CENTER, center.name, Level.EDIT)
        for token, who in ((office.agent_token, agent), (office.admin_token, admin)):
            await services.access.add_token(fingerprint(token), who.id, "demo", None, now, None)
    return office


async def tell(settings: Settings, office: Office, carrier: Carrier) -> bool:
    """Place the callback, print its steps, its rows and what was heard. Returns whether all was right."""
    async with aiohttp.ClientSession(settings.base_url) as http:
        await _until_ready(http)
        say(
            "コールバック発信: 通知番号 {caller_id}、自身 {agent}、相手 {customer}（プレフィックス {prefix}）",
            caller_id=format_national(CALLER_ID),
            agent=format_national(AGENT_PHONE),
            customer=format_national(CUSTOMER_PHONE),
            prefix=PREFIX,
        )
        call = await _callback(http, office.agent_token)
        rows = await _rows(http, office.admin_token, call["id"])
    typer.echo()
    typer.echo(table([[row[column] for column in COLUMNS] for row in rows], COLUMNS))
    typer.echo()
    agent, customer = await _phone(carrier, AGENT_PHONE), await _phone(carrier, CUSTOMER_PHONE)
    to_agent = heard_s(agent.recording, CUSTOMER_TONE_HZ) if agent and agent.recording.exists() else 0.0
    to_customer = heard_s(customer.recording, AGENT_TONE_HZ) if customer and customer.recording.exists() else 0.0
    right = [
        _told(call["reason"] == "completed" and call["talking_at"], "通話が成立し、お客様が切って終了"),
        _told(to_agent >= LEAST_VOICE_S, "お客様の声がエージェントの電話に届いた: {s}秒", s=f"{to_agent:.1f}"),
        _told(to_customer >= LEAST_VOICE_S, "エージェントの声がお客様の電話に届いた: {s}秒", s=f"{to_customer:.1f}"),
        _told(_shows(agent, CALLER_ID), "エージェントの電話に表示: {number}", number=format_national(CALLER_ID)),
        _told(
            _shows(customer, SHOWN_BY_PREFIX), "お客様の電話に表示: {number}", number=format_national(SHOWN_BY_PREFIX)
        ),
        _told(_rows_right(rows), "発着信履歴は1件のコールバックに2行"),
    ]
    return all(right)


async def _until_ready(http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            async with http.get("/readyz") as response:
                if response.status == HTTPStatus.OK:
                    return
            await asyncio.sleep(POLL_S)


async def _callback(http: aiohttp.ClientSession, token: str) -> dict[str, Any]:
    """Place it over the API and follow it to its end."""
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": language()}
    order = {"caller_id": CALLER_ID, "customer_number": PREFIX + CUSTOMER_PHONE}
    key = {"Idempotency-Key": secrets.token_hex(8)}
    call = await _json(http.post("/api/v1/callbacks", json=order, headers=headers | key), HTTPStatus.ACCEPTED)
    seen = None
    async with asyncio.timeout(CALL_S):
        while True:
            if call["state"] != seen:
                seen = call["state"]
                typer.echo(_step(call))
            if seen == State.ENDED:
                return call
            await asyncio.sleep(POLL_S)
            call = await _json(http.get(f"/api/v1/callbacks/{call['id']}", headers=headers), HTTPStatus.OK)


async def _rows(http: aiohttp.ClientSession, token: str, call_id: str) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"}
    found = await _json(http.get("/api/v1/cdrs", params={"call_id": call_id}, headers=headers), HTTPStatus.OK)
    return sorted(found["items"], key=lambda row: int(row["leg"]))


async def _json(request: Any, wanted: HTTPStatus) -> dict[str, Any]:
    async with request as response:
        text = await response.text()
        if response.status != wanted:
            raise RuntimeError(f"{response.method} {response.url.path}: {response.status} {text}")
        document: dict[str, Any] = json.loads(text)
        return document


async def _phone(carrier: Carrier, number: str) -> CarrierCall | None:
    """The carrier's record of the call to `number`, once it is over there too."""
    async with asyncio.timeout(READY_S):
        while True:
            calls = carrier.calls(number)
            if not calls or calls[-1].ended_at:
                return calls[-1] if calls else None
            await asyncio.sleep(POLL_S)


def _step(call: dict[str, Any]) -> str:
    moment = call.get(f"{call['state']}_at") or call["created_at"]
    words = state_text(State(call["state"]), language())
    if call["reason_text"]:
        words = f"{words}: {call['reason_text']}"
    return f"  {moment[11:23]}  {words}"


def _shows(call: CarrierCall | None, number: str) -> bool:
    """The phone was shown that number, and neither party's own."""
    if call is None:
        return False
    shown = call.from_header + call.asserted_identity
    return number in call.from_header and AGENT_PHONE not in shown and CUSTOMER_PHONE not in shown


def _rows_right(rows: list[dict[str, Any]]) -> bool:
    told = [(row["leg"], row["src"], row["dst"], row["disposition"], row["ended_by"]) for row in rows]
    talked = all(row["duration"] >= row["billsec"] >= LEAST_VOICE_S for row in rows)
    return talked and told == [
        (1, CALLER_ID, AGENT_PHONE, "ANSWERED", "customer"),
        (2, SHOWN_BY_PREFIX, CUSTOMER_PHONE, "ANSWERED", "customer"),
    ]


def _told(right: object, text: str, **facts: Any) -> bool:
    """Print a line of the verdict."""
    typer.echo(f"{'OK' if right else 'NG'}  {translate(text, language(), **facts)}")
    return bool(right)
