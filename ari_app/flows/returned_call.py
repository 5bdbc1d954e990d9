"""The returned call: a customer rings the shown number; the agent who called last is rung, and the two are joined."""

from contextlib import suppress
from dataclasses import dataclass

from ari_app.domain.callback import ACCEPT_KEY, Acceptance
from ari_app.domain.cdr import rows_of
from ari_app.domain.ending import LegEnd, Party, Reason, cut, key_limit
from ari_app.domain.leg import Role
from ari_app.domain.returned_call import ReturnedCall, after_notice
from ari_app.flows.callback import ACCEPT_PROMPT, CallbackRules, conversation
from ari_app.ports import Clock, LegEnded, Line, PastLegs, ReturnedCallRecords, Switch
from ari_app.shielding import forever, to_the_end

NOTICE = "returned-call-notice"
NOTICE_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Hall:
    """What a returned call stands on."""

    switch: Switch
    records: ReturnedCallRecords
    clock: Clock
    rules: CallbackRules


async def run_returned_call(call: ReturnedCall, hall: Hall) -> None:
    """Put the customer through to the assigned agent, or play the notice; whoever leaves a conversation ends it."""
    agent, customer = call.legs
    first = cut(Party.SYSTEM, Reason.FAILED)
    try:
        async with hall.switch.adopt(customer, agent, call.id) as line, line.up():
            try:
                if call.account_id is not None:
                    await _put_through(call, line, hall)
            except LegEnded:
                if customer.end or call.talking_at:
                    raise
            await _notify(call, line, hall)
    except LegEnded as ended:
        first = ended.leg.end or first
    finally:
        await to_the_end(_close(call, first, hall))


async def resume_returned_call(call: ReturnedCall, hall: Hall, past: PastLegs) -> None:
    """Go on with a call this node had open when it stopped: a conversation goes on, a customer who waits is told."""
    first = cut(Party.SYSTEM, Reason.INTERRUPTED)
    try:
        await _learn(call, past)
        with suppress(LegEnded):
            await _go_on(call, hall)
        ended = [leg for leg in call.legs if leg.dialled and leg.end]
        first = min(ended, key=lambda leg: leg.ended_at or call.created_at).end or first
    finally:
        await to_the_end(_close(call, first, hall))


async def _put_through(call: ReturnedCall, line: Line, hall: Hall) -> None:
    """Ring the agent's own phone, which shows the company's number, while the customer hears that it rings."""
    agent, customer = call.legs
    async with hall.switch.bridge(call.id), hall.switch.line(agent, customer, call.id) as agent_line:
        await line.ringback()
        async with agent_line.ring(hall.rules.ring_agent_s):
            await _accept(call, agent_line, hall)
            await line.answer()
            await _talk(call, agent_line, line, hall)


async def _accept(call: ReturnedCall, agent_line: Line, hall: Hall) -> None:
    """By policy a key: the customer never meets the agent's voicemail."""
    if call.acceptance is not Acceptance.NONE and not await agent_line.key(
        ACCEPT_KEY, prompt=ACCEPT_PROMPT, timeout=hall.rules.accept_s
    ):
        agent_line.end_with(key_limit())
        raise LegEnded(agent_line.leg)
    agent_line.leg.accepted_at = hall.clock.now()


async def _talk(call: ReturnedCall, agent_line: Line, line: Line, hall: Hall) -> None:
    """Join the two until one leaves."""
    await agent_line.join()
    await line.join()
    call.talking_at = call.talking_at or hall.clock.now()
    for leg in call.legs:
        leg.bridged_at = leg.bridged_at or call.talking_at
    async with conversation(agent_line, line):
        hall.records.note(call)
        await forever()


async def _go_on(call: ReturnedCall, hall: Hall) -> None:
    agent, customer = call.legs
    switch = hall.switch
    async with (
        switch.adopt_bridge(call.id),
        switch.adopt(agent, customer, call.id) as agent_line,
        switch.adopt(customer, agent, call.id) as line,
    ):
        # A customer is answered only to be joined with an agent who accepted, or to hear the notice.
        answered = all(leg.answered_at and not leg.end for leg in call.legs)
        if answered and not call.notice_at:
            async with agent_line.up(), line.up():
                await _talk(call, agent_line, line, hall)
        interrupted = cut(Party.SYSTEM, Reason.INTERRUPTED)
        await switch.cut(agent.channel_id, interrupted)
        if call.talking_at is None:
            async with line.up():
                await _notify(call, line, hall)
        line.end_with(interrupted)


async def _notify(call: ReturnedCall, line: Line, hall: Hall) -> None:
    """Nobody can take the call: say so."""
    await line.answer()
    call.notice_at = hall.clock.now()
    await line.say(NOTICE, timeout=NOTICE_WITHIN_S)
    line.end_with(after_notice(call))


async def _learn(call: ReturnedCall, past: PastLegs) -> None:
    """What Asterisk's own records say of the legs that were answered or ended meanwhile."""
    known = await past.look_up([leg.channel_id for leg in call.legs], call.created_at)
    for leg in call.legs:
        if (fact := known.get(leg.channel_id)) is None:
            continue
        leg.dial(call.created_at)
        if fact.answered_at:
            leg.answer(fact.answered_at)
        if fact.ended_at:
            party = Party.AGENT if leg.role is Role.AGENT else Party.CUSTOMER
            leg.finish(
                fact.ended_at, LegEnd.of_cause(fact.cause, "", None, answered=leg.answered_at is not None, by=party)
            )


async def _close(call: ReturnedCall, first: LegEnd, hall: Hall) -> None:
    """Write the end down, and one row a dialled leg. A conversation that was left up stays open."""
    if call.talking_at and not all(leg.end for leg in call.legs):
        return
    dialled = [leg for leg in call.legs if leg.dialled]
    for leg in dialled:
        leg.finish(hall.clock.now(), LegEnd(Reason.FAILED, Party.SYSTEM, 0, "Switch failed"))
    call.finish(max((leg.ended_at for leg in dialled if leg.ended_at), default=hall.clock.now()), first)
    await hall.records.close(call, rows_of(call.id, call.legs, accountcode=call.login, node=call.node))
