"""Which rows an account sees, as SQL: the one translation of `permissions.Reach`."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, CompoundSelect, select, union

from ari_app.domain.permissions import Reach
from ari_app.domain.resources import ResourceKind
from db.tables import call_center_number, number, resource_grant


@dataclass(frozen=True, slots=True)
class RowReach:
    """The rows of one principal."""

    reach: Reach
    account_id: int

    def where(self, owner: ColumnElement[int], caller_id: ColumnElement[str]) -> list[ColumnElement[bool]]:
        """Conditions on a row's owner (account id) and caller ID."""
        if self.reach is Reach.ALL:
            return []
        if self.reach is Reach.OWN:
            return [owner == self.account_id]
        return [caller_id.in_(granted_numbers(self.account_id))]


def granted_numbers(account_id: int) -> CompoundSelect[tuple[str]]:
    """The digits of the numbers an account is granted, themselves or by their call center."""
    granted = resource_grant.c.account_id == account_id
    numbers = select(number.c.tel).join(
        resource_grant,
        granted & (resource_grant.c.kind == ResourceKind.NUMBER) & (resource_grant.c.resource_id == number.c.id),
    )
    of_centers = (
        select(number.c.tel)
        .join(call_center_number, call_center_number.c.number_id == number.c.id)
        .join(
            resource_grant,
            granted
            & (resource_grant.c.kind == ResourceKind.CALL_CENTER)
            & (resource_grant.c.resource_id == call_center_number.c.call_center_id),
        )
    )
    return union(numbers, of_centers)
