"""The HTTP API, version 1, and what operators ask: health, readiness, metrics."""

from aiohttp import hdrs, web

from web.api import docs, health, metrics
from web.api.accounts import accounts
from web.api.callbacks import callbacks
from web.api.callcenters import callcenters
from web.api.cdrs import cdrs
from web.api.channels import channels
from web.api.dispatch import handler_of, problems
from web.api.events import events
from web.api.grants import grants
from web.api.numbers import numbers
from web.api.openapi import document
from web.api.prefixes import prefixes
from web.api.tokens import tokens
from web.live import STOPPING
from web.services import SERVICES

PREFIX = "/api"
VERSION = "/v1"
RESOURCES = (callbacks, cdrs, channels, events, numbers, prefixes, callcenters, accounts, grants, tokens)
OPERATIONS = [operation for resource in RESOURCES for operation in resource.operations]


def setup(app: web.Application) -> None:
    """Mount the API below /api, and /healthz, /readyz, /metrics; after `app[SERVICES]` and `web.live.setup`."""
    api = web.Application(middlewares=[problems])
    api.on_response_prepare.append(_not_kept)
    api[SERVICES], api[STOPPING] = app[SERVICES], app[STOPPING]
    for operation in OPERATIONS:
        api.router.add_route(operation.method, VERSION + operation.path, handler_of(operation))
    docs.setup(api, document(OPERATIONS, PREFIX + VERSION))
    app.add_subapp(PREFIX, api)
    health.setup(app)
    metrics.setup(app)


async def _not_kept(_: web.Request, response: web.StreamResponse) -> None:
    """Numbers and secrets are in the answers: nobody between keeps them."""
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
