"""The directory that orders are checked against: what the settings say now, read in one go."""

from sqlalchemy import Connection, select

from ari_app.domain.account import Account
from ari_app.domain.prefix import Prefixes
from ari_app.ports import OrderFacts
from db.accounts import usable_numbers
from db.engine import Database
from db.tables import number, prefix


class NumberDirectory:
    """Implements `ports.Directory`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def order_facts(self, who: Account) -> OrderFacts:
        """What an order of this account is checked against."""
        return await self._database.read_with(lambda connection: _facts(connection, who))


def _facts(connection: Connection, who: Account) -> OrderFacts:
    return OrderFacts(
        company_numbers=frozenset(connection.scalars(_COMPANY_NUMBERS)),
        prefixes=Prefixes({row.digits: row.tel for row in connection.execute(_PREFIXES)}),
        caller_ids=frozenset(connection.scalars(usable_numbers(who), {"account_id": who.id})),
    )


_COMPANY_NUMBERS = select(number.c.tel)
_PREFIXES = select(prefix.c.digits, number.c.tel).join(number)
