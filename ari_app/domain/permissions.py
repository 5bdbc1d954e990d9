"""Who may do what: the one place that decides, for panel, API, events and exports."""

from dataclasses import dataclass
from enum import StrEnum

from ari_app.domain.account import Account, Role
from ari_app.errors import NotPermittedError


class Action(StrEnum):
    """What an account may be allowed to do, whatever the resource."""

    PLACE_CALLBACK = "place_callback"
    CANCEL_OWN_CALL = "cancel_own_call"
    SEE_CALLBACKS = "see_callbacks"
    SEE_CDRS = "see_cdrs"
    SEE_CHANNELS = "see_channels"
    CUT_ANY_CALL = "cut_any_call"
    MANAGE_SETTINGS = "manage_settings"
    MANAGE_TOKENS = "manage_tokens"


class Reach(StrEnum):
    """How far into the records an account sees."""

    ALL = "all"
    GRANTED = "granted"  # rows whose caller ID is a granted number, or a number of a granted call center
    OWN = "own"


_EVERYBODY = frozenset({Action.PLACE_CALLBACK, Action.CANCEL_OWN_CALL, Action.SEE_CALLBACKS})
_ALLOWED = {
    Role.ADMIN: frozenset(Action),
    Role.SUPERVISOR: _EVERYBODY | {Action.SEE_CDRS},
    Role.USER: _EVERYBODY,
}
_REACH = {Role.ADMIN: Reach.ALL, Role.SUPERVISOR: Reach.GRANTED, Role.USER: Reach.OWN}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an account, and the scopes of the token it came with (None: signed in, everything its role may)."""

    account: Account
    scopes: frozenset[Action] | None = None

    def may(self, action: Action) -> bool:
        """Whether the account's role, and the token's scopes, allow the action at all."""
        if self.account.disabled_at is not None or action not in _ALLOWED[self.account.role]:
            return False
        return self.scopes is None or action in self.scopes

    def require(self, action: Action) -> None:
        """Raises NotPermittedError unless `may`."""
        if not self.may(action):
            raise NotPermittedError

    @property
    def reach(self) -> Reach:
        """Which records this principal sees."""
        return _REACH[self.account.role]
