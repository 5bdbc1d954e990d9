"""The trunk as Asterisk's manager interface knows it: registered, reachable."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from ari_app.ami.client import AmiClient, open_ami
from ari_app.config import Settings
from ari_app.errors import AmiUnavailableError

LOOK_S = 15
REGISTERED = "Registered"
UNREACHABLE = "Unreachable"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrunkState:
    """`registration` is Asterisk's word, None where the trunk does not register; `contact` likewise.

    A contact that is not asked for OPTIONS is NonQualified, and counts as reachable.
    """

    registration: str | None
    contact: str | None

    @property
    def registered(self) -> bool:
        """Whether the carrier knows us, as far as it must."""
        return self.registration in (None, REGISTERED)

    @property
    def reachable(self) -> bool:
        """Whether the carrier answers, as far as it is asked."""
        return self.contact not in (None, UNREACHABLE)


async def trunk_state(ami: AmiClient, trunk: str) -> TrunkState:
    """Ask for the endpoint `trunk`. Raises AmiUnavailableError."""
    registrations = await ami.action("PJSIPShowRegistrationsOutbound", as_list=True)
    details = await ami.action("PJSIPShowEndpoint", as_list=True, Endpoint=trunk)
    registration = next(
        (one["Status"] for one in registrations if one.get("Endpoint") == trunk and "Status" in one), None
    )
    contact = next((one["Status"] for one in details if one.get("Event") == "ContactStatusDetail"), None)
    return TrunkState(registration, contact)


class TrunkWatch:
    """The trunk's latest state; None until it is known, and while the manager interface is away."""

    def __init__(self) -> None:
        self.state: TrunkState | None = None

    @asynccontextmanager
    async def running(self, settings: Settings) -> AsyncIterator[None]:
        """Watch until the end of the block."""
        async with open_ami(settings, events=True) as ami:
            task = asyncio.create_task(self._watch(ami, trunk_name(settings)), name="trunk-watch")
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])

    async def _watch(self, ami: AmiClient, trunk: str) -> None:
        changed = asyncio.Event()
        for event in ("Registry", "ContactStatus", "FullyBooted"):
            ami.on_event(event, changed.set)
        while True:
            changed.clear()
            before = self.state
            try:
                self.state = await trunk_state(ami, trunk)
            except AmiUnavailableError as error:
                self.state = None
                log.warning("ami_unavailable", reason=error.reason)
            if self.state not in (None, before):
                log.info("trunk", registered=self.state.registered, reachable=self.state.reachable)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await changed.wait()


def trunk_name(settings: Settings) -> str:
    """The endpoint that TRUNK_ENDPOINT names."""
    return settings.trunk_endpoint.partition("/")[2].rpartition("@")[2]
