"""After a restart: conversations that are still up go on, everything else is ended and written down."""

from ari_app.domain.callback import Callback, State
from ari_app.domain.ending import LegEnd, Party, Reason, cut
from ari_app.domain.leg import Leg, Role
from ari_app.flows.callback import CallbackRules, Floor, ending_of, finish, talk
from ari_app.ports import LegEnded, PastLegs, SwitchError
from ari_app.shielding import to_the_end


async def resume(call: Callback, floor: Floor, past: PastLegs, rules: CallbackRules) -> None:
    """Go on with a call this node had open when it stopped.

    A conversation is adopted as it stands. A call that had not come that far is ended: nobody was there to join its
    legs, and whoever waits at a phone must not be kept waiting.
    """
    agent, customer = call.legs or call.plan_legs(rules.trunk_endpoint)
    _recall(call)
    ending = Reason.INTERRUPTED, Party.SYSTEM
    try:
        await _learn(call, past)
        async with (
            floor.switch.adopt_bridge(call.id),
            floor.switch.adopt(agent, customer, call.id) as agent_line,
            floor.switch.adopt(customer, agent, call.id) as customer_line,
        ):
            if call.state is State.TALKING:
                async with agent_line.up(), customer_line.up():
                    await talk(agent_line, customer_line)
            agent_line.end_with(cut(Party.SYSTEM, Reason.INTERRUPTED))
            customer_line.end_with(cut(Party.SYSTEM, Reason.INTERRUPTED))
    except LegEnded:
        if ended := _first_ended(call):
            ending = ending_of(call, ended)
    except SwitchError:
        ending = Reason.FAILED, Party.SYSTEM
        raise
    finally:
        await to_the_end(finish(call, ending, floor))


def _recall(call: Callback) -> None:
    """What the written state says of the legs: it was written before they were dialled."""
    agent, customer = call.legs
    if call.ringing_agent_at:
        agent.dial(call.ringing_agent_at)
    if call.agent_answered_at:
        agent.answer(call.agent_answered_at)
    if call.ringing_customer_at:
        customer.dial(call.ringing_customer_at)


async def _learn(call: Callback, past: PastLegs) -> None:
    """What Asterisk's own records say of the legs that ended meanwhile."""
    ended = await past.ended([leg.channel_id for leg in call.legs if leg.dialled], call.created_at)
    for leg in call.legs:
        if (fact := ended.get(leg.channel_id)) is None:
            continue
        if fact.answered_at:
            leg.answer(fact.answered_at)
        party = Party.AGENT if leg.role is Role.AGENT else Party.CUSTOMER
        answered = leg.answered_at is not None
        leg.finish(fact.ended_at, LegEnd.of_cause(fact.cause, "", None, answered=answered, by=party))


def _first_ended(call: Callback) -> Leg | None:
    """The dialled leg that left first."""
    ended = [leg for leg in call.legs if leg.dialled and leg.ended_at]
    return min(ended, key=lambda leg: leg.ended_at or call.created_at, default=None)
