"""After a restart: conversations that are still up go on, everything else is ended and written down."""

from ari_app.domain.callback import Callback, State
from ari_app.domain.ending import Party, Reason, cut
from ari_app.flows.callback import CallbackRules, Floor, ending_of, finish, talk
from ari_app.ports import LegEnded
from ari_app.shielding import to_the_end


async def resume(call: Callback, floor: Floor, rules: CallbackRules) -> None:
    """Go on with a call this node had open when it stopped.

    A conversation is adopted as it stands. A call that had not come that far is ended: nobody was there to join its
    legs, and whoever waits at a phone must not be kept waiting.
    """
    if not call.legs:
        call.plan_legs(rules.trunk_endpoint)
    agent, customer = call.legs
    ending = Reason.INTERRUPTED, Party.SYSTEM
    try:
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
    except LegEnded as ended:
        ending = ending_of(call, ended.leg)
    finally:
        await to_the_end(finish(call, ending, floor))
