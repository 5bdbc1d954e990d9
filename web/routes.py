"""The panel's addresses."""

from aiohttp import web

from web.rendering import STATIC
from web.views import callback, cdrs, results, sign_in


def setup(app: web.Application) -> None:
    """Register every page."""
    app.add_routes(
        [
            web.get("/", sign_in.home),
            web.get("/login", sign_in.show),
            web.post("/login", sign_in.sign_in),
            web.post("/logout", sign_in.sign_out),
            web.post("/language", sign_in.choose_language),
            web.get("/callback", callback.show),
            web.post("/callback", callback.place),
            web.post("/callback/confirm", callback.confirm),
            web.get("/callback/live", callback.live),
            web.get("/callback/results", results.show),
            web.get("/callback/calls/{id}", callback.show_call),
            web.post("/callback/calls/{id}/cancel", callback.cancel),
            web.get("/callback/calls/{id}/live", callback.live_call),
            web.get("/cdrs", cdrs.show),
            web.static("/static", STATIC),
        ]
    )
