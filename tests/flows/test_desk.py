"""The desk: takes orders, refuses without a trace, runs each as one task, ends them on request from anywhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ari_app.domain.account import Account, Device, Role
from ari_app.domain.callback import Acceptance, Callback, State
from ari_app.domain.ending import Party
from ari_app.domain.numbers import TollPolicy
from ari_app.domain.prefix import Prefixes
from ari_app.errors import (
    AgentBusyError,
    CallbackUnavailableError,
    CallerIdNotAllowedError,
    CapacityError,
    DatabaseUnavailableError,
    DestinationNotAllowedError,
    EmergencyNumberError,
    KakehashiError,
    NoCallerIdError,
    NumberLengthError,
    NumberMissingError,
    OwnCompanyNumberError,
    OwnDeviceNumberError,
    TelephonyUnavailableError,
    TooLateToCancelError,
)
from ari_app.flows.callback import CallbackRules
from ari_app.flows.desk import Desk, OrderRules
from ari_app.ports import OrderFacts
from tests.fakes.office import NoPast
from tests.fakes.scene import AGENT, CUSTOMER, NODE, PATIENT_S, PREFIXED, SCREEN, Scene, eventually
from tests.flows.test_recovery import killed, left_up

RULES = CallbackRules(PATIENT_S, PATIENT_S, PATIENT_S, "PJSIP/{number}@trunk")
ALLOWED = tuple(f"0{digit}" for digit in range(1, 10))


@dataclass
class Directory:
    """Implements `ports.Directory`."""

    facts: OrderFacts = field(
        default_factory=lambda: OrderFacts({SCREEN, PREFIXED, "0366667777"}, Prefixes({"9": PREFIXED}), [SCREEN])
    )

    async def order_facts(self, who: Account) -> OrderFacts:
        """The same for everybody."""
        return self.facts


@dataclass
class Nodes:
    """Implements `ports.Nodes`."""

    beats: list[tuple[str, bool]] = field(default_factory=list)
    alive: bool = True

    async def beat(self, name: str, *, ready: bool, now: datetime) -> bool:
        """Keep it."""
        self.beats.append((name, ready))
        return True

    async def silent(self, since: datetime) -> list[tuple[str, datetime]]:
        """No other node; tests/flows/test_nodes.py has several."""
        return []

    async def any_ready(self, now: datetime) -> bool:
        """What a test says."""
        return self.alive


@dataclass
class Office:
    """A desk with a telephony node behind it, on a scripted switch."""

    desk: Desk
    scene: Scene
    directory: Directory
    nodes: Nodes
    who: Account

    async def place(self, **facts: Any) -> Callback:
        """Order a callback and watch it."""
        order = {"caller_id": SCREEN, "customer_number": CUSTOMER} | facts
        placement = await self.desk.place(order.pop("who", self.who), **order)
        self.scene.call = self.scene.records.calls[placement.callback_id]
        return self.scene.call

    async def ended(self) -> Callback:
        """The call once it is closed."""
        await self.scene.asterisk.until("closed")
        self.scene.call = self.scene.records.calls[self.scene.call.id]
        return self.scene.call


def an_agent(**facts: Any) -> Account:
    return Account(
        **{
            "id": 1,
            "login": "tanaka",
            "name": "田中",
            "role": Role.USER,
            "agent": True,
            "device": Device.EXTERNAL,
            "device_number": AGENT,
        }
        | facts
    )


@asynccontextmanager
async def open_office(scene: Scene, *, telephony: bool = True, limit: int = 4) -> AsyncIterator[Office]:
    """The desk, with `telephony` carrying orders out here."""
    directory, nodes = Directory(), Nodes()
    rules = OrderRules(TollPolicy(ALLOWED, 9, 30), limit, Acceptance.NONE)
    desk = Desk(scene.records, directory, nodes, scene.watcher, scene.floor.clock, rules)
    office = Office(desk, scene, directory, nodes, an_agent())
    if not telephony:
        yield office
        return
    async with desk.running(scene.floor, NoPast(), RULES, NODE):
        yield office


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds as often as a test can wait for."""
    for pause in "LOOK_S", "BEAT_S", "SWEEP_S":
        monkeypatch.setattr(f"ari_app.flows.runner.{pause}", 0.002)


@pytest.fixture
async def office(scene: Scene) -> AsyncIterator[Office]:
    """A desk with its telephony node; nothing was placed yet."""
    scene.records.calls.clear()
    async with open_office(scene) as opened:
        yield opened
    scene.watcher.events[:] = [event for event in scene.watcher.events if event.name != "call.accepted"]


async def test_an_order_is_carried_out(office: Office) -> None:
    """「「コールバック発信を実行します。よろしいですか?」と表示後、「OK」をクリックします。」"""
    office.scene.phones("rings, answers", "rings, answers, until talking, hangs up")
    call = await office.place()
    assert (call.state, call.node, call.login) == (State.ACCEPTED, NODE, "tanaka")
    assert len(call.id) == 32
    call = await office.ended()
    assert office.scene.outcome() == ("agent_answered", "completed", "customer")
    names = [event.name for event in office.scene.watcher.events]
    assert names[0] == "call.accepted"


@pytest.mark.parametrize(
    ("typed", "dialled", "shown"),
    [
        ("０８０－２２２２－０００２", CUSTOMER, SCREEN),
        ("9080-2222-0002", "9080-2222-0002", None),
        ("908022220002", CUSTOMER, PREFIXED),
        ("18408022220002", CUSTOMER, SCREEN),
        ("9 184 080 2222 0002", CUSTOMER, PREFIXED),
    ],
)
async def test_what_is_dialled(office: Office, typed: str, dialled: str, shown: str | None) -> None:
    """The prefix's number beats the screen's choice on leg 2; leg 1 keeps the screen's."""
    if shown is None:
        call = await office.desk.check(office.who, caller_id=SCREEN, customer_number=typed)
        assert call.customer_number == CUSTOMER
        return
    call = await office.desk.check(office.who, caller_id=SCREEN, customer_number=typed)
    assert (call.customer_number, call.customer_caller_id, call.caller_id) == (dialled, shown, SCREEN)
    assert call.withheld == ("184" in typed)


REFUSALS: list[tuple[dict[str, Any], dict[str, Any], type[KakehashiError], str | None]] = [
    # 「アカウントのエージェント利用が無効であるか、サインイン端末が内線番号になっています」
    # 「最上位のシステム管理者アカウントではエージェント機能を利用できません」
    ({"agent": False}, {}, CallbackUnavailableError, None),
    ({"device": Device.EXTENSION, "device_number": "7001"}, {}, CallbackUnavailableError, None),
    ({"device_number": None}, {}, CallbackUnavailableError, None),
    ({"topmost": True}, {}, CallbackUnavailableError, None),
    # That number must not be one of the company's own: refused again when dialling.
    ({"device_number": "0366667777"}, {}, OwnCompanyNumberError, "device_number"),
    ({"device_number": "110"}, {}, EmergencyNumberError, "device_number"),
    # A number that this account may not show
    ({}, {"caller_id": "0366667777"}, CallerIdNotAllowedError, "caller_id"),
    ({}, {"caller_id": ""}, NumberMissingError, "caller_id"),
    # 「9桁 ~ 30桁で電話番号を入力します。」
    ({}, {"customer_number": ""}, NumberMissingError, "customer_number"),
    ({}, {"customer_number": "03123456"}, NumberLengthError, "customer_number"),
    ({}, {"customer_number": "0" * 31}, NumberLengthError, "customer_number"),
    ({}, {"customer_number": "119"}, EmergencyNumberError, "customer_number"),
    ({}, {"customer_number": "184110"}, EmergencyNumberError, "customer_number"),
    ({}, {"customer_number": "+1 212 555 0100"}, DestinationNotAllowedError, "customer_number"),
    ({}, {"customer_number": "0570-000-000"}, DestinationNotAllowedError, "customer_number"),
    ({}, {"customer_number": "03-6666-7777"}, OwnCompanyNumberError, "customer_number"),
    ({}, {"customer_number": "9" + PREFIXED}, OwnCompanyNumberError, "customer_number"),
    ({}, {"customer_number": AGENT}, OwnDeviceNumberError, "customer_number"),
]


@pytest.mark.parametrize(("account", "order", "error", "about"), REFUSALS)
async def test_refused_orders_leave_nothing(
    office: Office, account: dict[str, Any], order: dict[str, Any], error: type[KakehashiError], about: str | None
) -> None:
    """Refused before anything rings, naming the field; nothing half-done remains."""
    with pytest.raises(error) as refusal:
        await office.place(who=an_agent(**account), **order)
    assert refusal.value.field == about
    assert office.scene.records.calls == {}
    assert office.scene.asked == []
    assert office.scene.watcher.events == []


async def test_no_caller_id(office: Office) -> None:
    """「通知番号に選択可能な電話番号がありません」"""
    office.directory.facts = replace(office.directory.facts, caller_ids=[])
    with pytest.raises(NoCallerIdError):
        await office.place()
    assert office.scene.records.calls == {}


async def test_caller_ids_that_were_offered(office: Office) -> None:
    """「管理画面が更新されるまで、通知番号の情報を保持します」: an open page
    keeps its candidates, as long as the company owns them."""
    office.scene.phones("declines 486", "")
    office.directory.facts = replace(office.directory.facts, caller_ids=[])
    call = await office.place(offered=[SCREEN, "0399999999"])
    assert call.caller_id == SCREEN
    await office.ended()
    with pytest.raises(CallerIdNotAllowedError):
        await office.desk.check(
            office.who, caller_id="0399999999", customer_number=CUSTOMER, offered=[SCREEN, "0399999999"]
        )


async def test_telephony_down(office: Office) -> None:
    """An originate while nobody hears the events would ring a phone and drop it: refused."""
    office.scene.asterisk.closed_to_all = True
    office.scene.asterisk.cut_socket()
    await eventually(lambda: not office.scene.client.connected)
    assert not await office.desk.available()
    with pytest.raises(TelephonyUnavailableError):
        await office.place()
    assert office.scene.records.calls == {}
    office.scene.asterisk.closed_to_all = False
    await office.scene.client.wait_connected()
    assert await office.desk.available()


async def test_capacity_and_busy(office: Office) -> None:
    """「1回の通話で同時通話数を「2」通話消費する」: two channels a callback, one callback an agent."""
    await office.place()
    with pytest.raises(AgentBusyError):
        await office.place()
    second = an_agent(id=2, login="sato", device_number="09033330003")
    await office.place(who=second, customer_number="08044440004")
    with pytest.raises(CapacityError):
        await office.place(who=an_agent(id=3, device_number="09055550005"))
    assert len(office.scene.records.calls) == 2
    for call in list(office.scene.records.calls.values()):
        await office.desk.cancel(call, Party.ADMIN)
    await eventually(lambda: all(call.ended_at for call in office.scene.records.calls.values()))
    forget(office.scene)


def forget(scene: Scene) -> None:
    """The scene's own proof is about one call; with several it is about the switch only."""
    scene.watcher.events.clear()
    scene.records.rows.clear()
    scene.call.ended_at = None
    scene.call.legs = []


async def test_database_away(office: Office) -> None:
    office.scene.records.away = True
    with pytest.raises(DatabaseUnavailableError):
        await office.place()
    assert office.scene.asked == []
    office.scene.records.away = False


async def test_whoever_orders_may_leave(office: Office) -> None:
    """The browser is gone before the answer: what was written down is begun, not left to hold its channels."""
    office.scene.records.open.clear()
    office.scene.phones("declines 486", "")
    order = asyncio.create_task(office.place())
    await asyncio.sleep(0.01)
    order.cancel()
    office.scene.records.open.set()
    with pytest.raises(asyncio.CancelledError):
        await order
    (office.scene.call,) = office.scene.records.calls.values()
    assert (await office.ended()).reason == "busy"


# Ending calls


async def test_the_owner_cancels(office: Office) -> None:
    """Until the customer answers."""
    office.scene.phones("rings", "")
    call = await office.place()
    await office.scene.asterisk.until(f"{AGENT} rings")
    await office.desk.cancel(call, Party.AGENT)
    assert (await office.ended()).reason == "cancelled"
    assert office.scene.rows[1].disposition == "CANCEL"
    await office.desk.cancel(office.scene.call, Party.AGENT)  # ended already: success


async def test_the_owner_cannot_cut_a_conversation(office: Office) -> None:
    """Then one hangs up; an administrator always can."""
    office.scene.phones("rings, answers", "rings, answers")
    call = await office.place()
    await office.scene.asterisk.until("talking")
    call = office.scene.records.calls[call.id]
    with pytest.raises(TooLateToCancelError):
        await office.desk.cancel(call, Party.AGENT)
    await office.desk.cancel(call, Party.ADMIN)
    assert (await office.ended()).ended_by == "admin"


async def test_a_cut_asked_for_in_another_process(office: Office) -> None:
    """A web process leaves word; the node that has the call carries it out."""
    office.scene.phones("rings", "")
    call = await office.place()
    await office.scene.asterisk.until(f"{AGENT} rings")
    async with open_office(office.scene, telephony=False) as elsewhere:
        await elsewhere.desk.cancel(call, Party.ADMIN)
    assert (await office.ended()).ended_by == "admin"


async def test_a_cancel_while_the_switch_is_out_of_reach(office: Office) -> None:
    """The wish is kept, and carried out once the switch is back."""
    office.scene.phones("rings", "")
    call = await office.place()
    await office.scene.asterisk.until(f"{AGENT} rings")
    office.scene.asterisk.closed_to_all = True
    office.scene.asterisk.cut_socket()
    await eventually(lambda: not office.scene.client.connected)
    await office.desk.cancel(call, Party.AGENT)
    assert office.scene.records.cuts == {call.id: Party.AGENT}
    office.scene.asterisk.closed_to_all = False
    assert (await office.ended()).reason == "cancelled"
    office.scene.unanswered = True


# Orders from elsewhere


async def test_an_order_from_another_process(office: Office) -> None:
    """Placed where no telephony runs, claimed here."""
    office.scene.phones("declines 486", "")
    async with open_office(office.scene, telephony=False) as elsewhere:
        assert await elsewhere.desk.available()
        call = await elsewhere.place()
        assert call.node is None
    office.scene.call = call
    call = await office.ended()
    assert (call.node, call.reason) == (NODE, "busy")


async def test_no_node_anywhere(scene: Scene) -> None:
    async with open_office(scene, telephony=False) as office:
        office.nodes.alive = False
        assert not await office.desk.available()
        with pytest.raises(TelephonyUnavailableError):
            await office.place()


async def test_a_stale_order_expires(office: Office) -> None:
    """Nobody waits any more for an order that lay about while no node was there: no phone rings hours later."""
    now = office.scene.floor.clock.now()
    old = await office.desk.check(office.who, caller_id=SCREEN, customer_number=CUSTOMER)
    office.scene.records.keep(replace(old, created_at=now - timedelta(seconds=31)))
    office.scene.call = old
    call = await office.ended()
    assert (call.reason, call.ended_by, call.result) == ("interrupted", "system", "agent_not_answered")
    assert office.scene.asked == []


async def test_the_node_says_how_it_is(office: Office) -> None:
    await eventually(lambda: (NODE, True) in office.nodes.beats)
    office.scene.asterisk.closed_to_all = True
    office.scene.asterisk.cut_socket()
    await eventually(lambda: (NODE, False) in office.nodes.beats)
    office.scene.asterisk.closed_to_all = False
    await office.scene.client.wait_connected()


async def test_rounds_outlive_an_absent_database(office: Office) -> None:
    office.scene.records.away = True
    await eventually(lambda: office.scene.client.connected)
    seen = len(office.nodes.beats)
    await eventually(lambda: len(office.nodes.beats) > seen + 1)
    office.scene.records.away = False
    office.scene.phones("declines 486", "")
    await office.place()
    assert (await office.ended()).reason == "busy"


async def test_one_broken_call_does_not_end_the_others(office: Office, logged: list[Any]) -> None:
    """A defect is one call's; it is logged, and the neighbour goes on talking."""
    office.scene.phones("rings, answers", "rings, answers")
    going = await office.place()
    await office.scene.asterisk.until("talking")
    broken = an_agent(id=2, login="sato", device_number="09033330003")
    office.scene.asterisk.phone("09033330003").refused = 500, "Allocation failed"
    real, office.scene.floor.journal._records.close = office.scene.records.close, breaks  # type: ignore[method-assign]
    await office.place(who=broken, customer_number="08044440004")
    await eventually(lambda: any(entry["event"] == "call_broken" for entry in logged))
    logged.clear()
    office.scene.records.close = real  # type: ignore[method-assign]
    office.scene.asterisk.phone(CUSTOMER).hangs_up()
    await eventually(lambda: office.scene.records.calls[going.id].ended_at is not None)
    assert office.scene.records.calls[going.id].reason == "completed"
    forget(office.scene)


async def breaks(*arguments: object) -> None:
    raise ZeroDivisionError


# Starting and stopping


async def test_adopted_at_the_start(scene: Scene) -> None:
    """What this node had open when it stopped is taken over before anything new."""
    await left_up(scene)
    async with open_office(scene):
        await eventually(lambda: len(scene.client.bus.listeners()) == 2)
        await scene.client.asterisk.get_info()
        scene.asterisk.phone(CUSTOMER).hangs_up()
        await scene.asterisk.until("closed")
    scene.call = scene.records.calls[scene.call.id]
    assert scene.call.reason == "completed"


async def test_ringing_at_the_start_is_interrupted(scene: Scene) -> None:
    await killed(scene, State.RINGING_AGENT)
    async with open_office(scene):
        await scene.asterisk.until("closed")
    scene.call = scene.records.calls[scene.call.id]
    assert (scene.call.reason, scene.rows[1].ended_by) == ("interrupted", "system")


async def test_stopping_ends_what_rings_and_leaves_what_talks(scene: Scene) -> None:
    scene.records.calls.clear()
    async with open_office(scene) as office:
        scene.phones("rings, answers", "rings, answers")
        talking = await office.place()
        await scene.asterisk.until("talking")
        scene.asterisk.phone("09033330003").does("rings")
        ringing = await office.place(
            who=an_agent(id=2, login="sato", device_number="09033330003"), customer_number="08044440004"
        )
        await scene.asterisk.until("09033330003 rings")
    assert scene.records.calls[ringing.id].reason == "interrupted"
    assert scene.records.calls[talking.id].ended_at is None
    assert [row.call_id for row in scene.records.rows] == [ringing.id]
    scene.call, scene.leaves_up = scene.records.calls[talking.id], True
    scene.records.rows.clear()


async def test_stopping_before_a_call_has_begun(scene: Scene) -> None:
    """Placed and stopped in one breath: it stays open for the next start, which ends it."""
    scene.records.calls.clear()
    async with open_office(scene) as office:
        call = await office.desk.check(office.who, caller_id=SCREEN, customer_number=CUSTOMER)
        call.node = NODE
        scene.records.keep(call)
        assert office.desk._runner is not None
        office.desk._runner.begin(call)
    assert scene.asked == []
    assert scene.records.calls[call.id].ended_at is None
    scene.watcher.events.clear()
    async with open_office(scene):
        await scene.asterisk.until("closed")
    scene.call = scene.records.calls[call.id]
    assert scene.call.reason == "interrupted"


async def test_orphans_are_swept(scene: Scene) -> None:
    """A channel or bridge with our kind of id and no flow is ended once it was seen twice; a stranger's is not."""
    scene.records.calls.clear()
    shown = {"CONNECTEDLINE(num,i)": SCREEN}
    orphan, bridge = "ab" * 16 + "-2", "cd" * 16
    await scene.client.channels.create(orphan, f"PJSIP/{CUSTOMER}@trunk", "kakehashi", shown)
    await scene.client.channels.create("1700000000.1", f"PJSIP/{AGENT}@trunk", "kakehashi", shown)
    await scene.client.bridges.create(bridge)
    await scene.client.bridges.create("conference")
    async with open_office(scene):
        await eventually(lambda: orphan not in scene.asterisk.channels and bridge not in scene.asterisk.bridges)
    assert list(scene.asterisk.channels) == ["1700000000.1"]
    assert list(scene.asterisk.bridges) == ["conference"]
    await scene.client.channels.hangup("1700000000.1")
    await scene.client.bridges.destroy("conference")


async def test_the_list_of_channels(office: Office) -> None:
    """チャネル使用状況: what is on the line, an early announcement (183) too, but no leg that was never dialled."""
    office.scene.phones("rings, answers", "progresses")
    call = await office.place()
    await office.scene.asterisk.until("ringing_agent")
    await office.scene.asterisk.until(f"join {AGENT}")
    await eventually(lambda: all(line.leg.dialled for line in office.scene.switch._bus.listeners()))
    listed = {channel.number: (channel.state, channel.bridge_id) for channel in await office.scene.switch.channels()}
    assert listed == {AGENT: ("Up", call.id), CUSTOMER: ("Down", call.id)}
    await office.desk.cancel(call, Party.ADMIN)
    await office.ended()


async def test_a_leg_that_was_never_dialled_is_not_listed(office: Office) -> None:
    office.scene.phones("rings", "")
    call = await office.place()
    await office.scene.asterisk.until(f"{AGENT} rings")
    await eventually(lambda: any(line.leg.ringing_at for line in office.scene.switch._bus.listeners()))
    assert [channel.number for channel in await office.scene.switch.channels()] == [AGENT]
    await office.desk.cancel(call, Party.ADMIN)
    await office.ended()
