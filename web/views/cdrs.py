"""発着信履歴: the rows of a call joined under the call, and opened one by one."""

from dataclasses import dataclass

from aiohttp import web

from ari_app.domain.cdr import CdrRow
from ari_app.domain.leg import Role
from ari_app.domain.permissions import Action
from ari_app.errors import TooManyResultsError
from db.cdrs import CdrSearch
from web.auth import reach_of, require
from web.rendering import render
from web.services import SERVICES
from web.views.listing import PRESETS, ROWS, Conditions, nothing_granted


@dataclass(frozen=True, slots=True)
class Call:
    """The rows of one call that the account may see, leg 1 first."""

    id: str
    rows: list[CdrRow]

    @property
    def agent(self) -> CdrRow | None:
        """The row of leg 1."""
        return next((row for row in self.rows if row.leg == Role.AGENT), None)

    @property
    def customer(self) -> CdrRow | None:
        """The row of leg 2."""
        return next((row for row in self.rows if row.leg == Role.CUSTOMER), None)

    @staticmethod
    def role(row: CdrRow) -> Role:
        """Which leg a row is of."""
        return Role(row.leg)

    @property
    def last(self) -> CdrRow:
        """The row that tells how far the call came."""
        return self.rows[-1]


async def show(request: web.Request) -> web.StreamResponse:
    """GET /cdrs?preset|from&from_time&to&to_time&src&dst&cursor&at"""
    principal = require(request, Action.SEE_CDRS)
    services, reach = request.app[SERVICES], reach_of(principal)
    asked = Conditions(request.query)
    asked.read_period(services.clock.now(), services.settings.zone)
    search = CdrSearch(asked.period, asked.read_number("src"), asked.read_number("dst"))
    page, calls = None, []
    if asked.error is None:
        try:
            page = await services.cdrs.search_calls(search, reach, limit=ROWS, cursor=asked.cursor())
            rows = await services.cdrs.of_calls(page.items, reach)
            calls = [Call(call_id, rows[call_id]) for call_id in page.items if call_id in rows]
        except TooManyResultsError as error:
            asked.error = error
    return render(
        request,
        "cdrs.html",
        asked=asked,
        url=lambda **changes: asked.url(request, **changes),
        presets=PRESETS,
        calls=calls,
        place=page and asked.place(request, page),
        nothing_granted=await nothing_granted(services, principal),
        filtered=bool(search.src or search.dst),
    )
