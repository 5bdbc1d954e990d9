"""The composition root: settings in, running services out. The only place that builds objects."""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import AsyncIterator, Callable, Collection

import structlog
from aiohttp import web

from ari_app.ami.trunk import TrunkWatch
from ari_app.ari.client import open_client
from ari_app.ari.switch import AriSwitch
from ari_app.asterisk.cel import CelFile
from ari_app.bus import LocalBus
from ari_app.clock import SystemClock
from ari_app.config import Part, Settings
from ari_app.errors import NodeTakenError, PortInUseError
from ari_app.flows.callback import CallbackRules, Floor
from ari_app.flows.desk import Desk, OrderRules
from ari_app.flows.journal import Journal
from ari_app.flows.reception import Reception
from ari_app.flows.returned_call import Hall
from ari_app.jobs.cdr_export import INTERVAL_S, JOB, CdrExport
from ari_app.jobs.reconcile import INTERVAL, Reconciliation, ReconciliationJob
from ari_app.jobs.rounds import every
from ari_app.ports import Clock, PastLegs
from db import schema
from db.access import AccessStore
from db.accounts import AccountStore
from db.call_records import CallRecordStore
from db.callbacks import CallbackStore
from db.cdrs import CdrStore
from db.directory import NumberDirectory
from db.engine import open_database
from db.foreign_cdr import ForeignCdr
from db.job_positions import JobPositions
from db.nodes import NodeStore
from db.numbers import NumberStore
from db.relay import Relay
from db.returned_calls import ReturnedCallStore
from web.app import create_app
from web.services import Services

SHUTDOWN_S = 5

log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def open_services(
    settings: Settings, *, telephony: bool = False, node: str = "main", on_taken: Callable[[], None] = lambda: None
) -> AsyncIterator[Services]:
    """The installation's objects, with the database upgraded; with `telephony` orders are carried out here.

    `on_taken` is called when another process took the node's name while the database was away: then this one must end.
    Raises NodeTakenError while another process has the name.
    """
    clock, bus = SystemClock(), LocalBus()
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.database_url))
        await schema.upgrade(database)
        callbacks = CallbackStore(database)
        await stack.enter_async_context(callbacks.running())
        accounts, numbers, nodes = AccountStore(database), NumberStore(database), NodeStore(database)
        order_rules = OrderRules(settings.toll_policy, settings.channel_limit, settings.accept)
        desk = Desk(callbacks, NumberDirectory(database), nodes, bus, clock, order_rules)
        await stack.enter_async_context(Relay(callbacks, bus, desk.look).running(database))
        switch = trunk = None
        if telephony:
            await stack.enter_async_context(nodes.held(node, on_taken))
            past = CelFile(settings.cel_file)
            switch = await stack.enter_async_context(_open_switch(settings, clock, past))
            floor = Floor(switch, Journal(callbacks, bus, node), clock)
            rules = _callback_rules(settings)
            await stack.enter_async_context(desk.running(floor, past, rules, node, settings.node_dead_s))
            returned_calls = ReturnedCallStore(database)
            await stack.enter_async_context(returned_calls.running())
            reception = Reception(Hall(switch, returned_calls, clock, rules), order_rules, node)
            await stack.enter_async_context(reception.running(past))
            if settings.ami_url:
                trunk = TrunkWatch()
                await stack.enter_async_context(trunk.running(settings))
            stack.push_async_callback(nodes.leave, node)
        yield Services(
            settings=settings,
            clock=clock,
            bus=bus,
            database=database,
            accounts=accounts,
            numbers=numbers,
            access=AccessStore(database),
            callbacks=callbacks,
            cdrs=CdrStore(database),
            nodes=nodes,
            desk=desk,
            switch=switch,
            trunk=trunk,
        )


async def serve(settings: Settings, parts: Collection[Part], node: str, on_ready: Callable[[], None]) -> None:
    """Run until SIGTERM or SIGINT; `on_ready` is called once everything listens.

    Conversations that are going on at the end are left up. Raises NodeTakenError, at the start or later.
    """
    stop, taken = asyncio.Event(), False

    def give_way() -> None:
        nonlocal taken
        taken = True
        stop.set()

    everything = Part.ALL in parts or not parts
    async with contextlib.AsyncExitStack() as stack:
        # The port first: a second start by mistake must fail before it takes Asterisk's events from the first.
        door = stack.enter_context(_take_port(settings)) if everything or Part.WEB in parts else None
        telephony = everything or Part.TELEPHONY in parts
        services = await stack.enter_async_context(
            open_services(settings, telephony=telephony, node=node, on_taken=give_way)
        )
        if everything or Part.JOBS in parts:
            await stack.enter_async_context(_jobs(services, node))
        if door is not None:
            await stack.enter_async_context(_listening(services, door))
        log.info("serving", node=node, parts=sorted(parts) or [Part.ALL], http=settings.http_bind)
        on_ready()
        _upon_signal(stop.set)
        await stop.wait()
    if taken:
        raise NodeTakenError(node=node)


def open_reconciliation(services: Services, node: str) -> Reconciliation:
    """The records of the telephony node whose CEL file is on this machine."""
    return Reconciliation(services.settings.cel_file, CallRecordStore(services.database), node, services.clock)


@contextlib.asynccontextmanager
async def _jobs(services: Services, node: str) -> AsyncIterator[None]:
    settings, positions = services.settings, JobPositions(services.database)
    async with contextlib.AsyncExitStack() as stack:
        if settings.cel_file is not None:
            reconciliation = open_reconciliation(services, node)
            job = ReconciliationJob(reconciliation, positions, node, services.clock, services.reconciled)
            await stack.enter_async_context(every(INTERVAL.total_seconds(), job.round, "reconcile"))
        if settings.cdr_export_url:
            theirs = await stack.enter_async_context(open_database(settings.cdr_export_url))
            export = CdrExport(services.cdrs, ForeignCdr(theirs, settings.zone), positions)
            await stack.enter_async_context(every(INTERVAL_S, export.round, JOB))
        yield


@contextlib.asynccontextmanager
async def _open_switch(settings: Settings, clock: Clock, past: PastLegs) -> AsyncIterator[AriSwitch]:
    async with open_client(
        settings.ari_url, settings.ari_username, settings.ari_password.get_secret_value(), settings.ari_app
    ) as client:
        yield AriSwitch(client, clock, past)


@contextlib.asynccontextmanager
async def _listening(services: Services, door: socket.socket) -> AsyncIterator[None]:
    runner = web.AppRunner(create_app(services), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, door).start()
        yield
    finally:
        await runner.cleanup()


def _take_port(settings: Settings) -> socket.socket:
    host, port = settings.http_address
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(address=settings.http_bind) from error
        raise


def _callback_rules(settings: Settings) -> CallbackRules:
    return CallbackRules(settings.ring_agent_s, settings.ring_customer_s, settings.accept_s, settings.trunk_endpoint)


def _upon_signal(act: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, act)
