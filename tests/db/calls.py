"""Callbacks and accounts for the stores' tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from ari_app.domain.account import Account, Device, Role
from ari_app.domain.callback import Acceptance, Callback, Result
from ari_app.domain.cdr import CdrRow, rows_of
from ari_app.domain.ending import LegEnd, Party, Reason
from db.accounts import AccountStore
from db.callbacks import CallbackStore
from db.engine import Database

NOON = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # 12:00 in Tokyo
SCREEN = "0312345678"


@asynccontextmanager
async def open_store(database: Database) -> AsyncIterator[CallbackStore]:
    """A store with its writer: one process of the installation."""
    store = CallbackStore(database)
    async with store.running():
        yield store


async def add_accounts(database: Database, count: int = 1, role: Role = Role.USER) -> list[Account]:
    """Agents with a phone of their own."""
    store = AccountStore(database)
    already = len(await store.all())
    return [
        await store.add(
            {
                "login": f"agent{number}",
                "name": f"担当 {number}",
                "role": role,
                "agent": role is Role.USER,
                "device": Device.EXTERNAL,
                "device_number": f"090{number:08}",
            },
            NOON,
        )
        for number in range(already, already + count)
    ]


def a_call(account: Account, number: int = 0, **facts: Any) -> Callback:
    """An order."""
    at: datetime = facts.pop("created_at", NOON)
    return Callback(
        **{
            "id": f"{number:032x}",
            "account_id": account.id,
            "login": account.login,
            "caller_id": SCREEN,
            "agent_number": account.device_number or "",
            "customer_number": "08022220002",
            "customer_caller_id": SCREEN,
            "withheld": False,
            "acceptance": Acceptance.NONE,
            "created_at": at,
        }
        | facts
    )


def end(call: Callback, reason: Reason = Reason.COMPLETED, by: Party = Party.CUSTOMER) -> list[CdrRow]:
    """Bring a call to its end; returns its rows."""
    agent, customer = call.legs or call.plan_legs("PJSIP/{number}@trunk")
    at = call.created_at + timedelta(seconds=1)
    for leg in agent, customer:
        leg.channel_name = f"PJSIP/trunk-{leg.role.value:08x}"
        leg.dial(at)
        leg.ring(at + timedelta(milliseconds=120))
        leg.answer(at + timedelta(seconds=3))
        leg.finish(at + timedelta(seconds=63, milliseconds=900), LegEnd(reason, by, 16, "Normal Clearing"))
    call.result = call.result or Result.AGENT_ANSWERED
    call.finish(at + timedelta(seconds=64), reason, by)
    return rows_of(call.id, call.legs, accountcode=call.login, node="main")
