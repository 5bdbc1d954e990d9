"""The aiohttp application: panel, API, health."""

from aiohttp import web

from web.services import SERVICES, Services


def create_app(services: Services) -> web.Application:
    """The whole of the outside over HTTP."""
    app = web.Application()
    app[SERVICES] = services
    return app
