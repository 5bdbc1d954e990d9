"""What is written down of a call, and told to whoever watches."""

import asyncio
from dataclasses import replace

from ari_app.domain.callback import Callback
from ari_app.domain.cdr import rows_of
from ari_app.errors import DatabaseUnavailableError
from ari_app.ports import Bus, CallbackRecords, Event

WRITTEN_WITHIN_S = 5


class Journal:
    """The records and the bus of the calls of one node."""

    def __init__(self, records: CallbackRecords, bus: Bus, node: str) -> None:
        self._records = records
        self._bus = bus
        self._node = node

    def of_node(self, node: str) -> "Journal":
        """The same records and bus, for the calls of another node."""
        return Journal(self._records, self._bus, node)

    async def save_before_dialling(self, call: Callback) -> None:
        """Write the call's present state, then tell it; whoever waits at a phone does not wait long.

        Raises DatabaseUnavailableError.
        """
        try:
            async with asyncio.timeout(WRITTEN_WITHIN_S):
                await self._records.save(call)
        except TimeoutError:
            raise DatabaseUnavailableError from None
        self.tell(call)

    def note(self, call: Callback) -> None:
        """Write the call's present state soon, and tell it now: nothing that follows depends on it."""
        self._records.note(call)
        self.tell(call)

    def tell(self, call: Callback) -> None:
        """Tell the call's present state."""
        self._bus.publish(Event(f"call.{call.state}", replace(call, legs=[replace(leg) for leg in call.legs])))

    async def close(self, call: Callback) -> None:
        """Write the ended call with one row a dialled leg, then tell it."""
        await self._records.close(call, rows_of(call.id, call.legs, accountcode=call.login, node=self._node))
        self.tell(call)
