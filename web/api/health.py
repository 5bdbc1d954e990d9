"""/healthz: the process lives. /readyz: it can place a call."""

from http import HTTPStatus

from aiohttp import hdrs, web

from ari_app.errors import DatabaseUnavailableError
from web.services import SERVICES, Services

OK = "ok"
UNAVAILABLE = "unavailable"


def setup(app: web.Application) -> None:
    """Serve both, to anybody: they tell nothing about anybody."""
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)


async def _healthz(_: web.Request) -> web.Response:
    return _told({"process": OK})


async def _readyz(request: web.Request) -> web.Response:
    return _told(await _readiness(request.app[SERVICES]))


async def _readiness(services: Services) -> dict[str, str]:
    try:
        await services.database.check()
        # Elsewhere telephony says so in the database: without it nothing is known of it either.
        telephony = await services.desk.available()
    except DatabaseUnavailableError:
        ari_here = services.switch is not None and services.switch.ready
        return {"database": UNAVAILABLE, "ari": OK if ari_here else UNAVAILABLE}
    return {"database": OK, "ari": OK if telephony else UNAVAILABLE}


def _told(parts: dict[str, str]) -> web.Response:
    good = set(parts.values()) == {OK}
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return web.json_response(
        {"status": OK if good else UNAVAILABLE, **parts}, status=status, headers={hdrs.CACHE_CONTROL: "no-store"}
    )
