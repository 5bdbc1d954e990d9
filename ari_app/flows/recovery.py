"""After a restart: conversations that are still up go on, everything else is ended and written down."""

from contextlib import suppress
from datetime import datetime, timedelta

from ari_app.domain.callback import Callback, State
from ari_app.domain.ending import LegEnd, Party, Reason, cut, ring_limit
from ari_app.domain.leg import Leg, Role
from ari_app.flows.callback import CallbackRules, Floor, conversation, ending_of, finish
from ari_app.flows.journal import Journal
from ari_app.ports import LegEnded, PastLegs, SwitchError
from ari_app.shielding import forever, to_the_end


async def resume(call: Callback, floor: Floor, past: PastLegs, rules: CallbackRules) -> None:
    """Go on with a call this node had open when it stopped.

    A conversation is adopted as it stands, one that began meanwhile too: the legs were joined before the customer
    answered. A call that had not come that far is ended: whoever waits at a phone must not be kept waiting.
    """
    call.legs = call.recalled_legs()
    agent, customer = call.legs or call.plan_legs(rules.trunk_endpoint)
    ending = Reason.INTERRUPTED, Party.SYSTEM
    try:
        await _learn(call, past, rules)
        earlier = _first_ended(call)  # whoever leaves from now on left later, whatever the clocks' fractions say
        with suppress(LegEnded):
            await _go_on(call, agent, customer, floor)
        if ended := earlier or _first_ended(call):
            ending = ending_of(call, ended)
    except SwitchError:
        ending = Reason.FAILED, Party.SYSTEM
        raise
    finally:
        await to_the_end(finish(call, ending, floor))


async def settle(call: Callback, seen_at: datetime, journal: Journal) -> None:
    """Close a call of a node that is gone for good, heard from last at `seen_at`; its channels give no account of it.

    Its times are those last written, and its end the latest of them.
    """
    call.legs = call.recalled_legs()
    known = [at for leg in call.legs for at in (leg.ringing_at, leg.answered_at, leg.ended_at)]
    times = call.created_at, call.ringing_agent_at, call.agent_answered_at, call.ringing_customer_at, call.talking_at
    last = max(at for at in (seen_at, *known, *times) if at is not None)
    for leg in call.legs:
        if leg.dialled:
            leg.finish(last, cut(Party.SYSTEM, Reason.INTERRUPTED))
    call.finish(last, Reason.INTERRUPTED, Party.SYSTEM)
    await journal.close(call)


async def _go_on(call: Callback, agent: Leg, customer: Leg, floor: Floor) -> None:
    switch = floor.switch
    async with (
        switch.adopt_bridge(call.id),
        switch.adopt(agent, customer, call.id) as agent_line,
        switch.adopt(customer, agent, call.id) as customer_line,
    ):
        if call.state is State.RINGING_CUSTOMER and all(leg.answered_at and not leg.end for leg in call.legs):
            call.talk(customer.answered_at or floor.clock.now())
            agent.bridged_at = customer.bridged_at = call.talking_at
            await agent_line.join()  # nothing new, unless we stopped just before it
            floor.journal.note(call)
        if call.state is State.TALKING:
            async with agent_line.up(), customer_line.up(), conversation(agent_line, customer_line):
                await forever()
        if ended := _first_ended(call):
            raise LegEnded(ended)
        for line in agent_line, customer_line:
            line.end_with(cut(Party.SYSTEM, Reason.INTERRUPTED))


async def _learn(call: Callback, past: PastLegs, rules: CallbackRules) -> None:
    """What Asterisk's own records say of the legs that were answered or ended meanwhile."""
    agent, _ = call.legs
    limits = {Role.AGENT: rules.ring_agent_s, Role.CUSTOMER: rules.ring_customer_s}
    known = await past.look_up([leg.channel_id for leg in call.legs if leg.dialled or leg is agent], call.created_at)
    for leg in call.legs:
        if (fact := known.get(leg.channel_id)) is None:
            continue
        leg.dial(call.created_at)  # the agent's leg is dialled at once, and that is written a moment later
        if fact.answered_at:
            leg.answer(fact.answered_at)
        if fact.ended_at is None:
            continue
        party = Party.AGENT if leg.role is Role.AGENT else Party.CUSTOMER
        answered = leg.answered_at is not None
        told = LegEnd.of_cause(fact.cause, "", None, answered=answered, by=party)
        # In our absence Asterisk keeps the limit, and records it as it does a 480.
        rang = fact.ended_at - (leg.started_at or call.created_at)
        rang_too_long = not answered and rang > timedelta(seconds=limits[leg.role])
        leg.finish(fact.ended_at, ring_limit() if rang_too_long else told)


def _first_ended(call: Callback) -> Leg | None:
    """The dialled leg that left first."""
    ended = [leg for leg in call.legs if leg.dialled and leg.ended_at]
    return min(ended, key=lambda leg: leg.ended_at or call.created_at, default=None)
