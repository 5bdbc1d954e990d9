"""The application, its socket and Asterisk itself die in the middle of calls: what lives on, and what is written."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from ari_app.asterisk import instance
from ari_app.asterisk.carrier import AGENT_TONE_HZ, CUSTOMER_TONE_HZ
from ari_app.asterisk.tones import heard_s
from ari_app.config import Settings
from ari_app.domain.account import Account
from ari_app.domain.callback import Acceptance, Callback, Result, State
from ari_app.domain.cdr import CdrRow
from ari_app.domain.ending import Disposition, Party, Reason

from .exchange import Exchange, running_exchange, settings_for
from .office import Ended, Office, customer_number, open_office
from .service import Service
from .tcp_proxy import running_proxy
from .waiting import eventually, in_own_task

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

PRESS1 = Acceptance.PRESS1
CLOSE = timedelta(milliseconds=50)
SECONDS = timedelta(seconds=1)


class Killed:
    """What became of the calls that were up when the application was killed."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.ended: dict[str, Ended] = {}
        self.agents: dict[str, Account] = {}
        self.killed_at = self.back_at = datetime.now(UTC)


@pytest.fixture(scope="module")
def settings(exchange: Exchange, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation whose telephony is a process of its own; limits that no test reaches."""
    state = tmp_path_factory.mktemp("survival")
    return settings_for(
        exchange.connection, state, ari_app="kakehashi-survival", ring_agent_s=60.0, ring_customer_s=60.0, accept_s=60.0
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(settings: Settings) -> AsyncIterator[Service]:
    """The process, running."""
    process = Service(settings, settings.state_dir / "serve.log")
    await process.start()
    yield process
    await process.end(signal.SIGTERM)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(settings: Settings, exchange: Exchange, service: Service) -> AsyncIterator[Office]:
    """The company as another process sees it: it orders, and reads what is written."""
    async with in_own_task(open_office(settings, exchange.carrier, telephony=False)) as office:
        await eventually(office.services.desk.available)
        yield office


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def killed(desk: Office, service: Service, exchange: Exchange) -> Killed:
    """Calls in every state, kill -9, some of them end or are answered meanwhile, a new start."""
    story = Killed(exchange)
    carrier = exchange.carrier
    calls: dict[str, Callback] = {}

    async def begin(
        name: str, agent: str, customer: str, state: State, acceptance: Acceptance = Acceptance.NONE
    ) -> None:
        story.agents[name] = await desk.agent(agent, acceptance)
        calls[name] = await desk.order(story.agents[name], customer_number(customer))
        await _reached(desk, calls[name], state)

    await asyncio.gather(
        *(begin(f"talking, {name}", "33", "32", State.TALKING) for name in ("on", "cut", "one left", "both left")),
        begin("key awaited", "23", "32", State.AGENT_ANSWERED, PRESS1),
        begin("agent rings", "12", "32", State.RINGING_AGENT),
        begin("customer rings", "33", "12", State.RINGING_CUSTOMER),
    )
    # These two phones answer four seconds after they are called: while nobody is there.
    await asyncio.gather(
        begin("agent answers meanwhile", "03", "32", State.RINGING_AGENT),
        begin("customer answers meanwhile", "33", "03", State.RINGING_CUSTOMER),
    )
    await desk.called(calls["agent answers meanwhile"].agent_number)
    await desk.called(calls["customer answers meanwhile"].customer_number)
    await desk.called(calls["customer rings"].customer_number)
    await service.end(signal.SIGKILL)
    story.killed_at = datetime.now(UTC)

    left, both = calls["talking, one left"], calls["talking, both left"]
    for number in (left.customer_number, both.customer_number, both.agent_number):
        await asyncio.to_thread(carrier.hang_up, number)
        await desk.phone(number)
    for number in (calls["agent answers meanwhile"].agent_number, calls["customer answers meanwhile"].customer_number):
        await eventually(lambda number=number: carrier.calls(number)[0].answered_at)
    await service.start()
    story.back_at = datetime.now(UTC)

    ours = {"talking, on", "talking, cut", "customer answers meanwhile"}
    for name in calls.keys() - ours:
        story.ended[name] = await _over(desk, calls[name])
    await desk.cancel(calls["talking, cut"], Party.ADMIN)
    story.ended["talking, cut"] = await _over(desk, calls["talking, cut"])
    for name in ("talking, on", "customer answers meanwhile"):
        await asyncio.to_thread(carrier.hang_up, calls[name].customer_number)
        story.ended[name] = await _over(desk, calls[name])
    return story


async def test_a_conversation_goes_on(killed: Killed, desk: Office) -> None:
    """Never interrupted: the tones of both sides are whole across kill and start; closed rightly when it ends."""
    ended = killed.ended["talking, on"]
    _check(ended, Reason.COMPLETED, Party.CUSTOMER, Result.AGENT_ANSWERED)
    assert ended.callback.ended_at is not None
    assert ended.callback.ended_at > killed.back_at
    _agree(killed, ended)
    for number, tone in (
        (ended.callback.agent_number, CUSTOMER_TONE_HZ),
        (ended.callback.customer_number, AGENT_TONE_HZ),
    ):
        phone = await desk.phone(number)
        assert ended.customer is not None
        assert ended.customer.answer is not None
        talked_s = (ended.customer.end - ended.customer.answer).total_seconds()
        # The carrier's recorder drops the last half second.
        await eventually(
            lambda phone=phone, tone=tone, talked_s=talked_s: heard_s(phone.recording, tone) > talked_s - 0.8
        )


async def test_an_adopted_conversation_can_be_cut(killed: Killed) -> None:
    ended = killed.ended["talking, cut"]
    _check(ended, Reason.COMPLETED, Party.ADMIN, Result.AGENT_ANSWERED)
    _agree(killed, ended)


async def test_a_conversation_one_side_left_meanwhile(killed: Killed) -> None:
    """Ended when the customer left, as CEL says; the agent, left alone, is hung up at the start."""
    ended = killed.ended["talking, one left"]
    _check(ended, Reason.COMPLETED, Party.CUSTOMER, Result.AGENT_ANSWERED)
    assert ended.customer is not None
    assert ended.agent is not None
    assert killed.killed_at - CLOSE < ended.customer.end < killed.back_at
    assert (ended.customer.ended_by, ended.customer.cause) == (Party.CUSTOMER, 16)
    assert ended.agent.ended_by is Party.CUSTOMER
    _agree(killed, ended)


async def test_a_conversation_that_ended_meanwhile(killed: Killed) -> None:
    """Both rows have the times and causes of Asterisk's own records."""
    ended = killed.ended["talking, both left"]
    _check(ended, Reason.COMPLETED, Party.CUSTOMER, Result.AGENT_ANSWERED)
    _agree(killed, ended)
    assert ended.agent is not None
    assert ended.customer is not None
    assert (ended.agent.cause, ended.customer.cause) == (16, 16)
    assert ended.callback.ended_at is not None
    assert ended.callback.ended_at < killed.back_at


async def test_a_customer_who_answered_meanwhile_talks_on(killed: Killed) -> None:
    """Both were joined already: that is a conversation, and it is adopted."""
    ended = killed.ended["customer answers meanwhile"]
    _check(ended, Reason.COMPLETED, Party.CUSTOMER, Result.AGENT_ANSWERED)
    assert ended.callback.talking_at is not None
    _agree(killed, ended)


@pytest.mark.parametrize(
    ("name", "result", "agent", "customer"),
    [
        ("agent rings", Result.AGENT_NOT_ANSWERED, Disposition.FAILED, None),
        ("key awaited", Result.AGENT_NOT_ANSWERED, Disposition.ANSWERED, None),
        ("customer rings", Result.AGENT_ANSWERED, Disposition.ANSWERED, Disposition.FAILED),
        ("agent answers meanwhile", Result.AGENT_ANSWERED, Disposition.ANSWERED, None),
    ],
)
async def test_what_was_no_conversation_is_ended(
    name: str, result: Result, agent: Disposition, customer: Disposition | None, killed: Killed, desk: Office
) -> None:
    """Interrupted, by the system; the phones are hung up; one row a dialled leg."""
    ended = killed.ended[name]
    _check(ended, Reason.INTERRUPTED, Party.SYSTEM, result)
    assert ended.agent is not None
    assert (ended.agent.disposition, ended.agent.ended_by) == (agent, Party.SYSTEM)
    assert (ended.customer and ended.customer.disposition) == customer
    assert ended.customer is None or ended.customer.ended_by is Party.SYSTEM
    _agree(killed, ended)
    await desk.phone(ended.callback.agent_number)
    assert len(killed.exchange.carrier.calls(ended.callback.customer_number)) == (customer is not None)


async def test_reservations_are_given_back_and_agents_call_again(killed: Killed, desk: Office) -> None:
    """Every agent of a call that was up can place the next one."""
    assert await desk.services.callbacks.reserved_channels() == 0
    talkers = [who for name, who in killed.agents.items() if name.startswith("talking")]
    again = [await desk.order(who, customer_number("11")) for who in talkers]
    for call in again:
        await _over(desk, call)


async def test_an_owners_cancel_that_comes_too_late_cuts_no_conversation(killed: Killed, desk: Office) -> None:
    """It was ordered while the customer rang, and read when they talked; an administrator's is carried out."""
    talking, other = await desk.place("33", "32"), await desk.place("33", "32")
    for call in (talking, other):
        await _reached(desk, call, State.TALKING)
    await desk.services.desk.cancel(talking, Party.AGENT)  # as it stood when it was ordered
    await desk.cancel(other, Party.ADMIN)
    await _over(desk, other)
    assert (await desk.services.callbacks.get(talking.id)).state is State.TALKING
    await desk.cancel(talking, Party.ADMIN)
    _check(await _over(desk, talking), Reason.COMPLETED, Party.ADMIN, Result.AGENT_ANSWERED)


async def test_a_regular_stop_leaves_conversations_up(killed: Killed, desk: Office, service: Service) -> None:
    """SIGTERM: a conversation goes on and is adopted, a ringing call is ended before the process is gone."""
    talking, ringing = await desk.place("33", "32"), await desk.place("12", "32")
    await _reached(desk, talking, State.TALKING)
    await _reached(desk, ringing, State.RINGING_AGENT)
    assert await service.end(signal.SIGTERM) == 0

    ended = await desk.written(ringing)
    _check(ended, Reason.INTERRUPTED, Party.SYSTEM, Result.AGENT_NOT_ANSWERED)
    await desk.phone(ringing.agent_number)
    assert (await desk.services.callbacks.get(talking.id)).state is State.TALKING
    assert desk.carrier.calls(talking.customer_number)[0].ended_at is None

    await service.start()
    await desk.cancel(talking, Party.ADMIN)
    _check(await _over(desk, talking), Reason.COMPLETED, Party.ADMIN, Result.AGENT_ANSWERED)
    assert await desk.services.callbacks.reserved_channels() == 0


async def test_the_socket_is_cut(exchange: Exchange, tmp_path: Path) -> None:
    """Calls go on; what happened meanwhile is learnt when the socket is back."""
    carrier = exchange.carrier
    async with running_proxy(exchange.connection.http_port) as proxy:
        settings = settings_for(
            exchange.connection,
            tmp_path,
            ari_url=f"http://127.0.0.1:{proxy.port}",
            ari_app="kakehashi-cut",
            ring_agent_s=60.0,
            ring_customer_s=60.0,
        )
        async with open_office(settings, carrier) as office:
            on, left = await office.place("33", "32"), await office.place("33", "32")
            ringing, answering = await office.place("12", "32"), await office.place("33", "03")
            await office.reached(on, State.TALKING)
            await office.reached(left, State.TALKING)
            for number in (ringing.agent_number, answering.customer_number):
                await office.called(number)
            proxy.cut()
            await eventually(lambda: _not(office.services.desk.available))
            await asyncio.to_thread(carrier.hang_up, left.customer_number)
            await office.phone(left.customer_number)
            await eventually(lambda: carrier.calls(answering.customer_number)[0].answered_at)
            await proxy.restore()
            await eventually(office.services.desk.available)

            # What ended meanwhile has Asterisk's own times.
            ended = await office.ended(left)
            _check(ended, Reason.COMPLETED, Party.CUSTOMER, Result.AGENT_ANSWERED)
            _agree_with(exchange, ended.customer)
            # What was answered meanwhile talks, what rang goes on ringing, what talked still does.
            await office.reached(answering, State.TALKING)
            assert (await office.services.callbacks.get(ringing.id)).state is State.RINGING_AGENT
            assert (await office.services.callbacks.get(on.id)).state is State.TALKING
            for call in (on, answering):
                await asyncio.to_thread(carrier.hang_up, call.customer_number)
                ended = await office.ended(call)
                _check(ended, Reason.COMPLETED, Party.CUSTOMER, Result.AGENT_ANSWERED)
                _agree_with(exchange, ended.customer)
            await office.cancel(ringing, Party.AGENT)
            _check(await office.ended(ringing), Reason.CANCELLED, Party.AGENT, Result.AGENT_NOT_ANSWERED)
            await eventually(office.at_rest)


async def test_asterisk_is_killed(rootfs: None, tmp_path: Path) -> None:
    """Its calls are interrupted, through nobody's fault; once it is back, so are we."""
    with running_exchange(tmp_path) as exchange:
        async with open_office(settings_for(exchange.connection, tmp_path), exchange.carrier) as office:
            talking, ringing = await office.place("33", "32"), await office.place("33", "12")
            who = await office.agent("12")
            waiting = await office.order(who, customer_number("32"))
            await office.reached(talking, State.TALKING)
            await office.called(ringing.customer_number)
            await office.called(waiting.agent_number)
            pid = instance.status(exchange.pbx.dir).pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            died_at = datetime.now(UTC)
            await eventually(lambda: _not(office.services.desk.available))
            await asyncio.to_thread(instance.stop, exchange.pbx.dir)  # waits for its last thread
            await asyncio.to_thread(instance.start, exchange.pbx)
            await eventually(office.services.desk.available)

            for call, result in (
                (talking, Result.AGENT_ANSWERED),
                (ringing, Result.AGENT_ANSWERED),
                (waiting, Result.AGENT_NOT_ANSWERED),
            ):
                ended = await office.ended(call)
                _check(ended, Reason.INTERRUPTED, Party.SYSTEM, result)
                for row in (ended.agent, ended.customer):
                    if row is not None:
                        assert row.ended_by is Party.SYSTEM
                        assert row.end >= died_at - SECONDS
            assert await office.services.callbacks.reserved_channels() == 0
            again = await office.order(who, customer_number("32"))
            await office.reached(again, State.RINGING_AGENT)
            await office.cancel(again, Party.AGENT)
            _check(await office.ended(again), Reason.CANCELLED, Party.AGENT, Result.AGENT_NOT_ANSWERED)
            await eventually(office.at_rest)


async def _reached(office: Office, call: Callback, state: State) -> None:
    """Wait until another process has written that state."""

    async def written() -> bool:
        return (await office.services.callbacks.get(call.id)).state is state

    await eventually(written, 15)


async def _over(office: Office, call: Callback) -> Ended:
    await _reached(office, call, State.ENDED)
    return await office.written(call)


async def _not(look: Callable[[], object]) -> bool:
    return not await look()


def _check(ended: Ended, reason: Reason, by: Party, result: Result) -> None:
    call = ended.callback
    assert (call.state, call.result, call.reason, call.ended_by) == (State.ENDED, result, reason, by)


def _agree(killed: Killed, ended: Ended) -> None:
    for row in (ended.agent, ended.customer):
        if row is not None:
            _agree_with(killed.exchange, row)


def _agree_with(exchange: Exchange, row: CdrRow | None) -> None:
    """Answer and end are those of Asterisk's own records."""
    assert row is not None
    events = {}
    for line in Path(exchange.connection.cel_file).read_text().splitlines():
        if (event := json.loads(line))["uniqueid"] == row.uniqueid:
            events[event["eventtype"]] = datetime.fromtimestamp(float(event["eventtime"]), UTC)
    assert abs(row.end - events["HANGUP"]) < CLOSE
    assert (row.answer is None) is ("ANSWER" not in events)
    assert row.answer is None or abs(row.answer - events["ANSWER"]) < CLOSE
