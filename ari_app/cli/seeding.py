"""Data to try the product with: a company, its people, and callbacks of the last 60 days as they might have gone."""

import itertools
import random
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from ari_app.domain.account import Account, Device, Role
from ari_app.domain.callback import Acceptance, Callback
from ari_app.domain.cdr import CdrRow, rows_of
from ari_app.domain.ending import LegEnd, Party, Reason, cut, key_limit, ring_limit
from ari_app.domain.leg import Leg
from ari_app.domain.resources import Level, ResourceKind
from db.tables import callback, cdr
from web.credentials import hash_password
from web.services import Services

DAYS = 60
BATCH_CALLS = 5000
PASSWORD_BYTES = 12
OPENS_HOUR, OPEN_HOURS = 9, 11
SATURDAY = 5
NUMBERS = {"0312345678": "東京 代表", "0312345679": "東京 サポート", "0661234567": "大阪", "05031234567": "営業"}
PREFIXES = {"7": "0661234567", "9": "05031234567"}
CENTERS = {"サポートセンター": ("0312345678", "0312345679"), "営業センター": ("0661234567", "05031234567")}
SUPERVISOR = "sato"
AGENTS = {
    "suzuki": "鈴木 一郎",
    "takahashi": "高橋 花子",
    "tanaka": "田中 誠",
    "ito": "伊藤 美咲",
    "watanabe": "渡辺 健",
    "yamamoto": "山本 陽子",
    "nakamura": "中村 大輔",
    "kobayashi": "小林 恵",
    "kato": "加藤 翔",
    "yoshida": "吉田 さくら",
    "yamada": "山田 太郎",
    "sasaki": "佐々木 愛",
}
MOBILE_OR_AREA = ("090", "080", "070", "03", "06")
PREFIXED = 0.1  # of the calls are dialled with a prefix


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a network refuses: how often among all calls, Q.850 cause, SIP status, seconds until it does."""

    weight: float
    cause: int
    status: int
    after_s: float


AGENT_REFUSALS = (Refusal(2, 17, 486, 0.5), Refusal(1, 21, 603, 4), Refusal(1.5, 19, 480, 1))
CUSTOMER_REFUSALS = (Refusal(5, 17, 486, 0.6), Refusal(2, 19, 480, 1.5), Refusal(1, 1, 404, 0.4))
# How often, in a hundred, a phone just rings, the key is not pressed, the agent gives up.
AGENT_SILENT, NO_KEY, CUSTOMER_SILENT, CANCELLED = 3.0, 1.5, 12.0, 1.5


async def seed(services: Services, calls: int) -> dict[str, str]:
    """Make the data; people and numbers that are there stay as they are. Returns login and password of who is new."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    agents, new = await _people(services, password)
    await _resources(services)
    history = _history(agents, calls, services)
    while batch := list(itertools.islice(history, BATCH_CALLS)):
        rows = [row for call in batch for row in rows_of(call.id, call.legs, accountcode=call.login, node="main")]
        async with services.database.write() as connection:
            await connection.execute(insert(callback), [_record(call, Callback) for call in batch])
            await connection.execute(insert(cdr), [_record(row, CdrRow) for row in rows])
    return dict.fromkeys(new, password)


async def _people(services: Services, password: str) -> tuple[list[Account], list[str]]:
    hash_, now = await hash_password(password), services.clock.now()
    people: list[dict[str, Any]] = [
        {"login": "admin", "name": "システム管理者", "role": Role.ADMIN, "device": Device.EXTENSION},
        {"login": SUPERVISOR, "name": "佐藤 直子", "role": Role.SUPERVISOR, "device": Device.EXTENSION},
    ]
    for place, (login, name) in enumerate(AGENTS.items()):
        phone = {"device": Device.EXTERNAL, "device_number": f"090111{place:03}21", "verified_at": now}
        people.append({"login": login, "name": name, "role": Role.USER, "agent": True} | phone)
    known = {account.login: account for account in await services.accounts.all()}
    missing = [person | {"password_hash": hash_} for person in people if person["login"] not in known]
    known |= {account.login: account for account in await services.accounts.add_all(missing, now)}
    return [known[login] for login in AGENTS], [person["login"] for person in missing]


async def _resources(services: Services) -> None:
    now, numbers = services.clock.now(), services.numbers
    owned = await numbers.digits()
    for tel, name in NUMBERS.items():
        if tel not in owned:
            await numbers.add(tel, name, now)
    prefixes = {prefix.digits for prefix in await numbers.all_prefixes()}
    for digits, tel in PREFIXES.items():
        if digits not in prefixes:
            await numbers.add_prefix(digits, tel)
    centers = {center.name for center in await numbers.all_call_centers()}
    for place, (name, tels) in enumerate(CENTERS.items()):
        if name not in centers:
            await numbers.add_call_center(name, tels, list(AGENTS)[place :: len(CENTERS)], now)
        await services.accounts.grant(SUPERVISOR, ResourceKind.CALL_CENTER, name, Level.EDIT)


def _history(agents: list[Account], calls: int, services: Services) -> Iterator[Callback]:
    """The calls, day by day. An agent's day is cut into equal spans, one a call, so that none has two at once."""
    chance = random.Random()  # noqa: S311 - not for secrets
    today = services.clock.now().astimezone(services.settings.zone).replace(hour=OPENS_HOUR, minute=0, second=0)
    slots = [
        (today - timedelta(days=ago), agent, tels)
        for ago in range(DAYS, 0, -1)
        for agent, tels in zip(agents, itertools.cycle(CENTERS.values()), strict=False)
    ]
    weights = [0.2 if day.weekday() >= SATURDAY else 1.0 for day, _, _ in slots]
    shares = Counter(chance.choices(range(len(slots)), weights, k=calls))
    for slot, (day, agent, tels) in enumerate(slots):
        span = timedelta(hours=OPEN_HOURS) / max(1, shares[slot])
        for turn in range(shares[slot]):
            start = day + span * (turn + chance.uniform(0, 0.3))
            yield _Story(agent, start.astimezone(UTC), chance.choice(tels), span * 0.6, chance).tell()


class _Story:
    """One callback, told in the order in which it happens; `room` is the longest it may talk."""

    def __init__(self, agent: Account, at: datetime, caller_id: str, room: timedelta, chance: random.Random) -> None:
        self._chance, self._at, self._room = chance, at, room
        self._call = Callback(
            id=f"{int(at.timestamp() * 1000):012x}{chance.getrandbits(80):020x}",
            account_id=agent.id,
            login=agent.login,
            caller_id=caller_id,
            agent_number=agent.device_number or "",
            customer_number=chance.choice(MOBILE_OR_AREA) + f"{chance.randrange(10**8):08}",
            customer_caller_id=chance.choice(list(PREFIXES.values())) if chance.random() < PREFIXED else caller_id,
            withheld=False,
            acceptance=Acceptance.PRESS1,
            created_at=at,
            node="main",
        )
        self._agent, self._customer = self._call.plan_legs("PJSIP/{number}@trunk")

    def tell(self) -> Callback:
        """The whole call, by chance one of the ways it may go."""
        call = self._call
        self._dial(self._agent)
        call.ring_agent(self._at)
        if refusal := self._drawn(AGENT_REFUSALS, AGENT_SILENT):
            return self._refused(self._agent, refusal)
        self._answer(self._agent, 2, 12)
        call.agent_answered(self._at)
        if self._chance.random() * 100 < NO_KEY:
            self._pass(10)
            return self._over(key_limit(), self._agent, Reason.NO_DIGIT)
        self._pass(self._chance.uniform(1, 4))
        self._agent.accepted_at = self._at
        self._dial(self._customer)
        call.ring_customer(self._at)
        if self._chance.random() * 100 < CANCELLED:
            self._pass(self._chance.uniform(2, 15))
            return self._over(cut(Party.AGENT), self._agent, Reason.CANCELLED)
        if refusal := self._drawn(CUSTOMER_REFUSALS, CUSTOMER_SILENT):
            return self._refused(self._customer, refusal)
        self._answer(self._customer, 3, 25)
        call.talk(self._at)
        self._agent.bridged_at = self._customer.bridged_at = self._at
        self._pass(min(self._chance.lognormvariate(4.6, 0.9), self._room.total_seconds()))
        leaves = self._chance.choice((self._agent, self._customer))
        by = Party.CUSTOMER if leaves is self._customer else Party.AGENT
        return self._over(LegEnd.of_cause(16, "Normal Clearing", None, answered=True, by=by), leaves, Reason.COMPLETED)

    def _drawn(self, refusals: tuple[Refusal, ...], silent: float) -> Refusal | None:
        """How the phone is not answered, None when it is; `after_s` 0 stands for our own ring limit."""
        ways = [*refusals, Refusal(silent, 19, 0, 0)]
        answered = 100 - sum(way.weight for way in ways)
        drawn: Refusal | None = self._chance.choices([*ways, None], [*(way.weight for way in ways), answered])[0]
        return drawn

    def _dial(self, leg: Leg) -> None:
        self._pass(self._chance.uniform(0.005, 0.04))
        leg.channel_name = f"PJSIP/trunk-{self._chance.getrandbits(32):08x}"
        leg.dial(self._at)

    def _answer(self, leg: Leg, least_s: float, most_s: float) -> None:
        self._pass(self._chance.uniform(0.3, 1.5))
        leg.ring(self._at)
        self._pass(self._chance.triangular(least_s, most_s, least_s))
        leg.answer(self._at)

    def _refused(self, leg: Leg, refusal: Refusal) -> Callback:
        by = Party.AGENT if leg is self._agent else Party.CUSTOMER
        if refusal.status:
            self._pass(refusal.after_s)
            end = LegEnd.of_cause(refusal.cause, "", refusal.status, answered=False, by=by)
        else:
            leg.ring(self._at + timedelta(seconds=1))
            self._pass(30 if leg is self._agent else 60)
            end = ring_limit()
        return self._over(end, leg, end.reason)

    def _over(self, end: LegEnd, leg: Leg, reason: Reason) -> Callback:
        """`leg` ends the call, and the other leg, if it was dialled, ends with it."""
        leg.finish(self._at, end)
        self._pass(0.004)
        for other in self._call.legs:
            if other is not leg and other.dialled:
                answered = other.answered_at is not None
                other.finish(self._at, LegEnd.of_cause(16, "", None, answered=answered, by=end.by) if answered else end)
        self._call.finish(self._at, reason, end.by)
        return self._call

    def _pass(self, seconds: float) -> None:
        self._at += timedelta(seconds=seconds)


def _record(item: Callback | CdrRow, shape: type[Callback] | type[CdrRow]) -> dict[str, Any]:
    return {field.name: getattr(item, field.name) for field in fields(shape)}
