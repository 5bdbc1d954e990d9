"""An office to test the outside with: accounts, numbers, a call center, a desk over the fake switch, a past."""

import itertools
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from argon2 import PasswordHasher

from ari_app.bus import LocalBus
from ari_app.config import Settings
from ari_app.domain.account import Account, Device, Role
from ari_app.domain.callback import Acceptance, Callback
from ari_app.domain.cdr import rows_of
from ari_app.domain.ending import LegEnd, Party, Reason, cut, key_limit, ring_limit
from ari_app.domain.resources import Level, ResourceKind
from ari_app.flows.callback import CallbackRules, Floor
from ari_app.flows.desk import Desk, OrderRules
from ari_app.flows.journal import Journal
from ari_app.ports import PastLeg
from db.access import AccessStore
from db.accounts import AccountStore
from db.callbacks import CallbackStore
from db.cdrs import CdrStore
from db.directory import NumberDirectory
from db.engine import open_database
from db.nodes import NodeStore
from db.numbers import NumberStore
from tests.fakes.switch import FakeSwitch
from web.services import Services

PASSWORD = "架け橋-password"
CHEAP_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
HEAD_OFFICE = "0312345678"
SUPPORT = "0398765432"
OSAKA = "0661110000"
SATO_PHONE = "09000000001"
SUZUKI_PHONE = "08044440002"
CUSTOMER = "0311112222"
NODE = "test"


class SetClock:
    """A clock that runs on from where a test sets it."""

    def __init__(self, now: datetime | None = None) -> None:
        self._ahead = now - datetime.now(UTC) if now else timedelta()

    def now(self) -> datetime:
        """The moment it is here."""
        return datetime.now(UTC) + self._ahead

    def forward(self, **step: float) -> None:
        """Let time pass."""
        self._ahead += timedelta(**step)


class NoPast:
    """Implements `ports.PastLegs` for a switch that keeps no records."""

    async def look_up(self, channel_ids: Collection[str], since: datetime) -> dict[str, PastLeg]:
        """Nothing is known of the past."""
        return {}


@dataclass(frozen=True, slots=True)
class Office:
    """The installation under test."""

    services: Services
    switch: FakeSwitch
    clock: SetClock

    async def past_call(
        self,
        account: str,
        customer: str,
        ago: timedelta,
        *,
        agent_s: float = 8,
        ring_s: float = 12,
        talk_s: float | None = 190,
        agent_end: Reason | None = None,
        customer_end: Reason | None = None,
        caller_id: str = HEAD_OFFICE,
        shown: str | None = None,
        by: Party = Party.CUSTOMER,
    ) -> Callback:
        """A callback of the past with its rows: talked, or ended by `agent_end` or `customer_end`."""
        who = await self.services.accounts.by_login(account)
        assert who.device_number is not None
        at = self.clock.now() - ago
        call = Callback(
            id=f"{int(at.timestamp() * 1000):012x}{next(_serial):020x}",
            account_id=who.id,
            login=who.login,
            caller_id=caller_id,
            agent_number=who.device_number,
            customer_number=customer,
            customer_caller_id=shown or caller_id,
            withheld=False,
            acceptance=Acceptance.PRESS1,
            created_at=at,
            node=NODE,
        )
        _live_through(call, agent_s, ring_s, talk_s, agent_end, customer_end, by)
        store = self.services.callbacks
        await store.place(call, limit=1000)
        await store.close(call, rows_of(call.id, call.legs, accountcode=call.login, node=NODE))
        return call


_serial = itertools.count(1)


@asynccontextmanager
async def open_office(
    database_url: str, *, clock: SetClock | None = None, accept: Acceptance = Acceptance.PRESS1, **settings: Any
) -> AsyncIterator[Office]:
    """An office on an upgraded, empty database."""
    clock = clock or SetClock()
    values = {"database_url": database_url, "secret_key": "0" * 64, "accept": accept} | settings
    configuration = Settings(**values)
    async with open_database(database_url) as database:
        callbacks = CallbackStore(database)
        async with callbacks.running():
            accounts, numbers, nodes = AccountStore(database), NumberStore(database), NodeStore(database)
            bus, switch = LocalBus(), FakeSwitch(clock)
            rules = OrderRules(configuration.toll_policy, configuration.channel_limit, configuration.accept)
            desk = Desk(callbacks, NumberDirectory(database), nodes, bus, clock, rules)
            floor = Floor(switch, Journal(callbacks, bus, NODE), clock)
            timing = CallbackRules(
                configuration.ring_agent_s,
                configuration.ring_customer_s,
                configuration.accept_s,
                configuration.trunk_endpoint,
            )
            services = Services(
                settings=configuration,
                clock=clock,
                bus=bus,
                database=database,
                accounts=accounts,
                numbers=numbers,
                access=AccessStore(database),
                callbacks=callbacks,
                cdrs=CdrStore(database),
                nodes=nodes,
                desk=desk,
                switch=switch,
            )
            await _furnish(services, clock.now())
            async with desk.running(floor, NoPast(), timing, NODE):
                yield Office(services, switch, clock)


async def _furnish(services: Services, now: datetime) -> None:
    async def add(login: str, name: str, role: Role, phone: str | None = None, **more: Any) -> Account:
        values = {
            "login": login,
            "name": name,
            "role": role,
            "agent": phone is not None,
            "device": Device.EXTERNAL,
            "device_number": phone,
            "password_hash": CHEAP_HASH,
        }
        return await services.accounts.add(values | more, now)

    await add("root", "最上位 管理者", Role.ADMIN)
    await add("kanri", "管理 花子", Role.ADMIN, "09077770001")
    await add("super", "監督 次郎", Role.SUPERVISOR)
    await add("sato", "佐藤 花子", Role.USER, SATO_PHONE)
    await add("suzuki", "鈴木 一郎", Role.USER, SUZUKI_PHONE)
    await add("desk", "内線 三郎", Role.USER, "201", device=Device.EXTENSION)
    await add("wrong", "自社 四郎", Role.USER, SUPPORT)
    await add("lonely", "無所属 五郎", Role.USER, "09055550005")
    for tel, name in ((HEAD_OFFICE, "本社代表"), (SUPPORT, "サポート"), (OSAKA, "大阪支店")):
        await services.numbers.add(tel, name, now)
    await services.numbers.add_prefix("2", SUPPORT)
    await services.numbers.add_call_center("受付", [HEAD_OFFICE, SUPPORT], ["sato", "suzuki", "desk", "wrong"], now)
    await services.accounts.grant("super", ResourceKind.NUMBER, HEAD_OFFICE, Level.VIEW)


def _live_through(
    call: Callback,
    agent_s: float,
    ring_s: float,
    talk_s: float | None,
    agent_end: Reason | None,
    customer_end: Reason | None,
    by: Party,
) -> None:
    agent, customer = call.plan_legs("PJSIP/{number}@trunk")
    for leg in (agent, customer):
        leg.channel_name = f"PJSIP/trunk-{leg.channel_id[-10:]}"
    at = call.created_at + timedelta(milliseconds=120)
    call.ring_agent(at)
    agent.dial(at)
    agent.ring(at + timedelta(milliseconds=400))
    at += timedelta(seconds=agent_s)
    if agent_end is not None and agent_end is not Reason.NO_DIGIT:
        end = ring_limit() if agent_end is Reason.NO_ANSWER else LegEnd(agent_end, Party.AGENT, 17, "User busy", 486)
        agent.finish(at, end)
        return call.finish(at, agent_end, end.by)
    call.agent_answered(at)
    agent.answer(at)
    at += timedelta(seconds=2.4)
    if agent_end is Reason.NO_DIGIT:
        agent.finish(at + timedelta(seconds=8), key_limit())
        return call.finish(at + timedelta(seconds=8), Reason.NO_DIGIT, Party.SYSTEM)
    agent.accepted_at = at
    call.ring_customer(at)
    customer.dial(at)
    customer.ring(at + timedelta(milliseconds=600))
    at += timedelta(seconds=ring_s)
    if customer_end is not None:
        texts = {Reason.BUSY: (17, "User busy (SIP 486)"), Reason.NO_ANSWER: (19, "Ring limit reached")}
        cause, text = texts.get(customer_end, (20, "Subscriber absent (SIP 480)"))
        who = Party.SYSTEM if customer_end is Reason.NO_ANSWER else Party.CUSTOMER
        customer.finish(at, LegEnd(customer_end, who, cause, text))
        agent.finish(at, LegEnd(Reason.COMPLETED, who, 16, "Ended with the other leg"))
        return call.finish(at, customer_end, who)
    customer.answer(at)
    call.talk(at)
    for leg in (agent, customer):
        leg.bridged_at = at
    at += timedelta(seconds=talk_s or 0)
    for leg in (agent, customer):
        end = cut(Party.ADMIN) if by is Party.ADMIN else LegEnd(Reason.COMPLETED, by, 16, "Normal Clearing")
        leg.finish(at, end)
    return call.finish(at, Reason.COMPLETED, by)
