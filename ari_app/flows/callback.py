"""The callback: ring the agent, let them accept, ring the customer, join the two."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ari_app.domain.callback import ACCEPT_KEY, Acceptance, Callback, State
from ari_app.domain.ending import Party, Reason, key_limit
from ari_app.domain.leg import Leg, Role
from ari_app.errors import DatabaseUnavailableError
from ari_app.flows.journal import Journal
from ari_app.ports import Clock, LegEnded, Line, Switch, SwitchError
from ari_app.shielding import forever, to_the_end

ACCEPT_PROMPT = "press-1"


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """How callbacks are run here. Limits in seconds; `trunk_endpoint` holds `{number}`."""

    ring_agent_s: float
    ring_customer_s: float
    accept_s: float
    trunk_endpoint: str


@dataclass(frozen=True, slots=True)
class Floor:
    """What every flow stands on."""

    switch: Switch
    journal: Journal
    clock: Clock


async def run_callback(call: Callback, floor: Floor, rules: CallbackRules) -> None:
    """Connect agent and customer; whoever leaves ends it for both."""
    agent, customer = call.plan_legs(rules.trunk_endpoint)
    switch, journal, clock = floor.switch, floor.journal, floor.clock
    ending = Reason.INTERRUPTED, Party.SYSTEM
    try:
        async with (
            switch.bridge(call.id),
            switch.line(agent, customer, call.id) as agent_line,
            switch.line(customer, agent, call.id) as customer_line,
        ):
            await customer_line.join()
            call.ring_agent(clock.now())
            journal.note(call)
            async with agent_line.ring(rules.ring_agent_s):
                call.agent_answered(agent.answered_at or clock.now())
                await _accept(call, agent_line, floor, rules.accept_s)
                call.ring_customer(clock.now())
                await journal.save_before_dialling(call)
                async with customer_line.ring(rules.ring_customer_s, early_media_to=agent_line):
                    call.talk(customer.answered_at or clock.now())
                    agent.bridged_at = customer.bridged_at = call.talking_at
                    async with conversation(agent_line, customer_line):
                        journal.note(call)
                        await forever()
    except LegEnded as ended:
        ending = ending_of(call, ended.leg)
    except (SwitchError, DatabaseUnavailableError):
        ending = Reason.FAILED, Party.SYSTEM
        raise
    finally:
        await to_the_end(finish(call, ending, floor))


@asynccontextmanager
async def conversation(*lines: Line) -> AsyncIterator[None]:
    """While both talk. When it is we who stop, the conversation is left up for the next start to adopt."""
    try:
        yield
    except asyncio.CancelledError:
        if not any(line.leg.end for line in lines):
            for line in lines:
                line.leave()
        raise


async def finish(call: Callback, ending: tuple[Reason, Party], floor: Floor) -> None:
    """Write the end down: reason, result, and one row a dialled leg. A conversation that was left up stays open."""
    if call.state is State.TALKING and not all(leg.end for leg in call.legs):
        return
    last = max((leg.ended_at for leg in call.legs if leg.dialled and leg.ended_at), default=None)
    call.finish(last or floor.clock.now(), *ending)
    await floor.journal.close(call)


def ending_of(call: Callback, ended: Leg) -> tuple[Reason, Party]:
    """Why the call ended, and by whom, when `ended` is the leg that left first."""
    end = ended.end
    if end is None:
        raise ValueError(f"leg {ended.channel_id} has not ended")
    if call.state is State.TALKING:
        return Reason.INTERRUPTED if end.reason is Reason.INTERRUPTED else Reason.COMPLETED, end.by
    if ended.role is Role.CUSTOMER or ended.answered_at is None or end.reason is not Reason.COMPLETED:
        return end.reason, end.by
    # The agent left by themselves: before pressing the key, or while the customer rang.
    unaccepted = call.result is None and call.acceptance is not Acceptance.NONE
    return (Reason.NO_DIGIT if unaccepted else Reason.CANCELLED), end.by


async def _accept(call: Callback, line: Line, floor: Floor, limit_s: float) -> None:
    """By policy nothing, or the acceptance key: a voicemail that answered for the agent does not press it."""
    if call.acceptance is Acceptance.NONE:
        floor.journal.tell(call)
    else:
        floor.journal.note(call)
        if not await line.key(ACCEPT_KEY, prompt=ACCEPT_PROMPT, timeout=limit_s):
            line.end_with(key_limit())
            raise LegEnded(line.leg)
    line.leg.accepted_at = floor.clock.now()
