"""The panel and the HTTP API, on aiohttp."""
