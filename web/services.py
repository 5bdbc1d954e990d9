"""What the panel and the API stand on: built once by the composition root."""

from dataclasses import dataclass, field

from aiohttp import web

from ari_app.config import Settings
from ari_app.domain.reconciliation import Tally
from ari_app.flows.desk import Desk
from ari_app.ports import Bus, Clock, Switch
from db.access import AccessStore
from db.accounts import AccountStore
from db.callbacks import CallbackStore
from db.cdrs import CdrStore
from db.engine import Database
from db.nodes import NodeStore
from db.numbers import NumberStore


@dataclass(frozen=True, slots=True)
class Services:
    """The installation's objects. `switch` is None where this process runs no telephony.

    `reconciled` is counted where this process runs the jobs.
    """

    settings: Settings
    clock: Clock
    bus: Bus
    database: Database
    accounts: AccountStore
    numbers: NumberStore
    access: AccessStore
    callbacks: CallbackStore
    cdrs: CdrStore
    nodes: NodeStore
    desk: Desk
    switch: Switch | None = None
    reconciled: Tally = field(default_factory=Tally)


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
