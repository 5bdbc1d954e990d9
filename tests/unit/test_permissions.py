"""Who may do what, as one table."""

from datetime import UTC, datetime

import pytest

from ari_app.domain.account import Account, Device, Role
from ari_app.domain.permissions import Action, Principal, Reach
from ari_app.errors import NotPermittedError

A, S, U = Role.ADMIN, Role.SUPERVISOR, Role.USER


def principal(role: Role, scopes: frozenset[Action] | None = None, *, disabled: bool = False) -> Principal:
    disabled_at = datetime.now(UTC) if disabled else None
    return Principal(Account(1, "x", "x", role, False, Device.EXTERNAL, None, disabled_at=disabled_at), scopes)


ALLOWED = {
    Action.PLACE_CALLBACK: {A, S, U},
    Action.CANCEL_OWN_CALL: {A, S, U},
    Action.SEE_CALLBACKS: {A, S, U},
    Action.SEE_CDRS: {A, S},
    # 「システム管理者ロールのアカウントで通話切断を行えます。」「切断操作は「履歴・状況」>「チャネル使用状況」より」
    Action.SEE_CHANNELS: {A},
    Action.CUT_ANY_CALL: {A},
    Action.MANAGE_SETTINGS: {A},
    Action.MANAGE_TOKENS: {A},
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_who_may(action: Action, role: Role) -> None:
    """A disabled account may nothing; a token at most what its account may, and of that only its scopes."""
    allowed = role in ALLOWED[action]
    assert principal(role).may(action) is allowed
    assert principal(role, frozenset({action})).may(action) is allowed
    assert not principal(role, frozenset(set(Action) - {action})).may(action)
    assert not principal(role, frozenset()).may(action)
    assert not principal(role, disabled=True).may(action)
    if allowed:
        principal(role).require(action)
    else:
        with pytest.raises(NotPermittedError):
            principal(role).require(action)


# 「スーパバイザロールで(…)参照する場合、(…)通知番号に対してのリソース権限を付与する必要があります。」
@pytest.mark.parametrize(("role", "reach"), [(A, Reach.ALL), (S, Reach.GRANTED), (U, Reach.OWN)])
def test_how_far(role: Role, reach: Reach) -> None:
    assert principal(role).reach is reach
