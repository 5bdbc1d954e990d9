"""ARI's resources: one class each, an operation a method, named as in ARI's own API documents.

https://docs.asterisk.org/Asterisk_22_Documentation/API_Documentation/Asterisk_REST_Interface/
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Requests(Protocol):
    """What a resource needs of the client."""

    async def request(
        self, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> Any:
        """One operation over the socket."""

    async def fetch(self, path: str) -> Any:
        """One GET over HTTP."""


class Resource:
    """A resource of one client."""

    def __init__(self, client: Requests) -> None:
        self._client = client


class Channels(Resource):
    """/channels."""

    async def list(self) -> Any:
        """GET /channels."""
        return await self._client.fetch("channels")

    async def get(self, channel_id: str) -> Any:
        """GET /channels/{channelId}."""
        return await self._client.request("GET", f"channels/{channel_id}")

    async def create(self, channel_id: str, endpoint: str, app: str, variables: Mapping[str, str]) -> Any:
        """POST /channels/create: a channel that is not dialled yet."""
        query = {"endpoint": endpoint, "app": app, "channelId": channel_id}
        return await self._client.request("POST", "channels/create", query, {"variables": dict(variables)})

    async def dial(self, channel_id: str, timeout_s: int) -> None:
        """POST /channels/{channelId}/dial."""
        await self._client.request("POST", f"channels/{channel_id}/dial", {"timeout": str(timeout_s)})

    async def ring(self, channel_id: str) -> None:
        """POST /channels/{channelId}/ring: tell the caller that it rings."""
        await self._client.request("POST", f"channels/{channel_id}/ring")

    async def answer(self, channel_id: str) -> None:
        """POST /channels/{channelId}/answer."""
        await self._client.request("POST", f"channels/{channel_id}/answer")

    async def continue_in_dialplan(self, channel_id: str) -> None:
        """POST /channels/{channelId}/continue: back to the dialplan, behind Stasis()."""
        await self._client.request("POST", f"channels/{channel_id}/continue")

    async def hangup(self, channel_id: str) -> None:
        """DELETE /channels/{channelId}."""
        await self._client.request("DELETE", f"channels/{channel_id}")

    async def play(self, channel_id: str, playback_id: str, media: str) -> None:
        """POST /channels/{channelId}/play/{playbackId}."""
        await self._client.request("POST", f"channels/{channel_id}/play/{playback_id}", {"media": media})


class Bridges(Resource):
    """/bridges."""

    async def list(self) -> Any:
        """GET /bridges."""
        return await self._client.fetch("bridges")

    async def create(self, bridge_id: str) -> None:
        """POST /bridges/{bridgeId}: a mixing bridge."""
        await self._client.request("POST", f"bridges/{bridge_id}", {"type": "mixing"})

    async def add_channel(self, bridge_id: str, channel_id: str) -> None:
        """POST /bridges/{bridgeId}/addChannel."""
        await self._client.request("POST", f"bridges/{bridge_id}/addChannel", {"channel": channel_id})

    async def destroy(self, bridge_id: str) -> None:
        """DELETE /bridges/{bridgeId}."""
        await self._client.request("DELETE", f"bridges/{bridge_id}")


class Playbacks(Resource):
    """/playbacks."""

    async def stop(self, playback_id: str) -> None:
        """DELETE /playbacks/{playbackId}."""
        await self._client.request("DELETE", f"playbacks/{playback_id}")


class Endpoints(Resource):
    """/endpoints."""

    async def get(self, tech: str, resource: str) -> Any:
        """GET /endpoints/{tech}/{resource}."""
        return await self._client.fetch(f"endpoints/{tech}/{resource}")


class Asterisk(Resource):
    """/asterisk."""

    async def get_info(self) -> Any:
        """GET /asterisk/info."""
        return await self._client.fetch("asterisk/info")

    async def list_modules(self) -> Any:
        """GET /asterisk/modules."""
        return await self._client.fetch("asterisk/modules")


class Applications(Resource):
    """/applications."""

    async def get(self, app: str) -> Any:
        """GET /applications/{applicationName}."""
        return await self._client.fetch(f"applications/{app}")

    async def subscribe(self, app: str, source: str) -> None:
        """POST /applications/{applicationName}/subscription: its events, from now on (`channel:ID`)."""
        await self._client.request("POST", f"applications/{app}/subscription", {"eventSource": source})

    async def filter(self, app: str, types: Sequence[str]) -> None:
        """PUT /applications/{applicationName}/eventFilter: only these events are sent."""
        allowed = {"allowed": [{"type": type_} for type_ in types]}
        await self._client.request("PUT", f"applications/{app}/eventFilter", None, allowed)
