"""/metrics: the process and its installation, as Prometheus reads them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ari_app.errors import DatabaseUnavailableError
from ari_app.metrics import Metrics
from web.services import SERVICES, Services


def setup(app: web.Application) -> None:
    """Count from the application's start on, and serve /metrics to anybody: there is nobody's number in it."""
    services = app[SERVICES]
    metrics = Metrics()
    metrics.gauge("kakehashi_channel_limit", "Contracted concurrent channels.").set(services.settings.channel_limit)
    reserved = metrics.gauge("kakehashi_reserved_channels", "Channels of the limit that calls hold, cluster-wide.")
    database_up = metrics.gauge("kakehashi_database_up", "Whether the database answers.")
    metrics.reconciled(services.reconciled)
    _read_process(metrics, services)

    async def scrape(_: web.Request) -> web.Response:
        try:
            reserved.set(await services.callbacks.reserved_channels())
            metrics.open(await services.callbacks.all_open())
            database_up.set(1)
        except DatabaseUnavailableError:
            database_up.set(0)
        body = generate_latest(metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def follow(_: web.Application) -> AsyncIterator[None]:
        async with services.bus.subscribe() as events:
            task = asyncio.create_task(metrics.follow(events), name="metrics")
            yield
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    app.router.add_get("/metrics", scrape)
    app.cleanup_ctx.append(follow)


def _read_process(metrics: Metrics, services: Services) -> None:
    """What other objects of this process keep."""
    switch, writer, bus = services.switch, services.callbacks.writer, services.bus
    if switch is not None:
        connected = metrics.gauge("kakehashi_ari_connected", "Whether Asterisk's events reach this process.")
        connected.set_function(lambda: float(switch.ready))
    metrics.tally("kakehashi_bus_lost_events", "Events a watcher was too slow to take.", lambda: bus.lost)
    metrics.tally("kakehashi_writer_batches", "Transactions of the group writer.", lambda: writer.batches)
    metrics.tally("kakehashi_writer_orders", "Orders those transactions wrote.", lambda: writer.orders)
    metrics.gauge("kakehashi_writer_waiting", "Orders waiting to be written.").set_function(lambda: writer.waiting)
