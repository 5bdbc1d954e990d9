"""The directory that orders are checked against, over the stores of accounts and numbers."""

from collections.abc import Collection

from ari_app.domain.account import Account
from ari_app.domain.prefix import Prefixes
from db.accounts import AccountStore
from db.numbers import NumberStore


class NumberDirectory:
    """Implements `ports.Directory`."""

    def __init__(self, accounts: AccountStore, numbers: NumberStore) -> None:
        self._accounts = accounts
        self._numbers = numbers

    async def company_numbers(self) -> Collection[str]:
        """The digits of every number the company owns."""
        return await self._numbers.digits()

    async def prefixes(self) -> Prefixes:
        """The registered prefixes."""
        return await self._numbers.prefixes()

    async def caller_ids(self, who: Account) -> Collection[str]:
        """The digits of the numbers the account may show."""
        return [caller_id.tel for caller_id in await self._accounts.caller_ids(who)]
