"""The aiohttp application: panel, API, health."""

from aiohttp import web

from web import api, live, middlewares, rendering, routes
from web.services import SERVICES, Services

BODY_BYTES = 256 * 1024


def create_app(services: Services) -> web.Application:
    """The whole of the outside over HTTP."""
    app = web.Application(client_max_size=BODY_BYTES)
    app[SERVICES] = services
    live.setup(app)
    rendering.setup(app)
    middlewares.setup(app)
    routes.setup(app)
    api.setup(app)
    return app
