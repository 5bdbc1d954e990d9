"""One callback on a scripted Asterisk; after each test nothing of it may be left anywhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ari_app.ari.client import AriClient, open_client
from ari_app.ari.events import AriEvent
from ari_app.ari.switch import AriSwitch
from ari_app.clock import SystemClock
from ari_app.domain.callback import Acceptance, Callback, State, channel_id
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import Party, cut
from ari_app.domain.leg import Role
from ari_app.flows.callback import CallbackRules, Floor, run_callback
from ari_app.flows.journal import Journal
from ari_app.ports import Event
from tests.fakes.asterisk import PASSWORD, USERNAME, Asterisk, running_asterisk
from tests.fakes.office import NoPast
from tests.fakes.records import Records

AGENT, CUSTOMER = "09011110001", "08022220002"
SCREEN, PREFIXED = "0312345678", "0355556666"
CALL_ID = "0194f3a2b1c0deadbeefdeadbeef0001"
NODE = "main"
PATIENT_S = 5  # a limit no test reaches
ORDER = [State.RINGING_AGENT, State.AGENT_ANSWERED, State.RINGING_CUSTOMER, State.TALKING, State.ENDED]


class Watcher:
    """A bus that remembers."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.events: list[Event] = []
        self._note = note

    def publish(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)
        self._note(event.callback.state.value)


@dataclass
class Scene:
    """A switch with two phones, a call between them, and what was written of it."""

    asterisk: Asterisk
    client: AriClient
    switch: AriSwitch
    records: Records
    watcher: Watcher
    floor: Floor
    call: Callback
    leaves_up: bool = False
    unanswered: bool = False  # a dial request may get lost with the socket: then a leg may have a row for nothing
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def start(
        self, *, ring_agent_s: float = PATIENT_S, ring_customer_s: float = PATIENT_S, accept_s: float = PATIENT_S
    ) -> asyncio.Task[None]:
        """Begin the call as a task."""
        rules = CallbackRules(ring_agent_s, ring_customer_s, accept_s, "PJSIP/{number}@trunk")
        task = asyncio.create_task(run_callback(self.call, self.floor, rules), name="call")
        self.tasks.append(task)
        return task

    async def play(self, *, agent: str = "", customer: str = "", **limits: float) -> Callback:
        """Run the call to its end with phones that do as they are told."""
        self.phones(agent, customer)
        async with asyncio.timeout(PATIENT_S):
            await self.start(**limits)
        return self.call

    def phones(self, agent: str, customer: str) -> None:
        """Tell both phones what to do."""
        self.asterisk.phone(AGENT).does(agent)
        self.asterisk.phone(CUSTOMER).does(customer)

    def upon(self, line: str, act: Callable[[], object]) -> None:
        """Do something as soon as the story has this line."""
        self.asterisk.upon(line, act)

    def cut(self, by: Party) -> None:
        """Somebody asks to end the call."""
        self.tasks.append(asyncio.create_task(self.cut_now(by)))

    async def cut_now(self, by: Party) -> bool:
        """As the desk does it; False when the switch has nothing to cut yet."""
        return await self.switch.cut(channel_id(self.call.id, Role.AGENT), cut(by))

    def hear(self, channel: str, event_type: str, line: str) -> None:
        """Note a line of the story once our side has heard an event."""
        dispatch = self.client.bus.dispatch

        def noting(event: AriEvent) -> None:
            dispatch(event)
            if (event.channel_id, event.type) == (channel, event_type):
                self.asterisk.note(line)

        self.client.bus.dispatch = noting  # type: ignore[method-assign]

    def shut_down(self) -> None:
        """The application stops."""
        self.tasks[0].cancel()

    @property
    def rows(self) -> dict[int, CdrRow]:
        """The CDR rows by leg."""
        return {row.leg: row for row in self.records.rows}

    @property
    def asked(self) -> list[str]:
        """What was asked of the switch, after the connection's own greeting."""
        return [line for line in self.asterisk.asked if line != "filter"]

    def outcome(self) -> tuple[str, str, str]:
        """(result, reason, ended by) as the API spells them."""
        call = self.call
        assert call.result, call
        assert call.reason, call
        assert call.ended_by, call
        return call.result.value, call.reason.value, call.ended_by.value


def new_call(
    acceptance: Acceptance = Acceptance.NONE, *, customer_caller_id: str = SCREEN, withheld: bool = False
) -> Callback:
    """A callback as the desk writes it down."""
    return Callback(
        id=CALL_ID,
        account_id=1,
        login="tanaka",
        caller_id=SCREEN,
        agent_number=AGENT,
        customer_number=CUSTOMER,
        customer_caller_id=customer_caller_id,
        withheld=withheld,
        acceptance=acceptance,
        created_at=SystemClock().now(),
        node=NODE,
    )


@asynccontextmanager
async def open_scene(call: Callback) -> AsyncIterator[Scene]:
    """A scene, and the proof that nothing is left of it."""
    before = asyncio.all_tasks()
    async with running_asterisk() as asterisk:
        async with open_client(asterisk.url, USERNAME, PASSWORD, "kakehashi") as client:
            clock = SystemClock()
            switch = AriSwitch(client, clock, NoPast())
            await client.wait_connected()
            records, watcher = Records(asterisk.note), Watcher(asterisk.note)
            records.keep(call)
            floor = Floor(switch, Journal(records, watcher, NODE), clock)
            scene = Scene(asterisk, client, switch, records, watcher, floor, call)
            yield scene
            await asyncio.gather(*scene.tasks, return_exceptions=True)
            await scene.records.drained()
            check_nothing_left(scene)
        await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before - {asyncio.current_task()} if not task.done()}
    assert not left


def check_nothing_left(scene: Scene) -> None:
    """No listener; no channel or bridge, or both of a conversation; states in order; one row a dialled leg."""
    assert scene.client.bus.listeners() == []
    if scene.leaves_up:
        assert len(scene.asterisk.channels) == 2
        assert scene.call.ended_at is None
        assert scene.records.rows == []
        return
    assert scene.asterisk.channels == {}
    assert scene.asterisk.bridges == {}
    told = [event.callback.state for event in scene.watcher.events]
    assert told == [state for state in ORDER if state in told], "each state once, in order"
    if told or scene.call.ended_at:
        assert told[-1] is State.ENDED
        assert scene.records.calls[scene.call.id].ended_at == scene.call.ended_at
        dialled = [leg for leg in scene.call.legs if scene.asterisk.ever.get(leg.channel_id)]
        reached = [leg.role for leg in dialled if scene.asterisk.ever[leg.channel_id].dial_timeout_s is not None]
        legs = [row.leg for row in scene.records.rows]
        assert len(legs) == len(set(legs))
        assert set(legs) == set(reached) or (scene.unanswered and set(legs) > set(reached))
        for row in scene.records.rows:
            check_row(row, scene.call.id)


def check_row(row: CdrRow, call_id: str) -> None:
    """What must hold of every CDR row."""
    assert row.start <= row.end
    assert row.duration >= row.billsec >= 0
    assert (row.answer is not None) == (row.disposition == "ANSWERED")
    assert row.ring_ms is None or row.ring_ms >= 0
    assert row.dst == (AGENT if row.leg == Role.AGENT else CUSTOMER)
    assert row.src == row.caller_id == row.clid
    assert row.uniqueid == f"{row.call_id}-{row.leg}"
    assert row.linkedid == row.call_id == call_id
    assert row.channel


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(2):
        while not condition():
            await asyncio.sleep(0.001)
