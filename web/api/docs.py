"""/api/openapi.json, and /api/docs: the same, to read and to try."""

import json
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web

PAGE = Path(__file__).parents[1] / "static" / "api-docs" / "index.html"
# Swagger UI shows its icons as data: images.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def setup(api: web.Application, document: dict[str, Any]) -> None:
    """Serve the document, and the page that shows it."""
    text = json.dumps(document, ensure_ascii=False)

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="application/json", headers={hdrs.CACHE_CONTROL: "no-cache"})

    async def page(_: web.Request) -> web.StreamResponse:
        headers = {"Content-Security-Policy": POLICY, hdrs.CACHE_CONTROL: "no-cache"}
        return web.FileResponse(PAGE, headers=headers)

    api.router.add_get("/openapi.json", openapi)
    api.router.add_get("/docs", page)
