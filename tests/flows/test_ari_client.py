"""The ARI client: connects, stays connected, tells refusal from absence."""

import asyncio
import json
from typing import Any

import pytest

from ari_app.ari.client import AriDisconnectedError, AriError, open_client, open_reader
from ari_app.ari.events import READ, parse
from tests.fakes.asterisk import PASSWORD, USERNAME, running_asterisk
from tests.fakes.scene import Scene


async def test_only_what_is_read_is_asked_for(scene: Scene) -> None:
    """Unfiltered, one callback is 54 events: Asterisk is told which ones we read, and to answer."""
    assert scene.asterisk._allowed == {event.type for event in READ} | {"RESTResponse"}
    assert scene.asterisk.asked == ["filter"]


async def test_a_refusal_names_what_was_refused(scene: Scene) -> None:
    with pytest.raises(AriError, match=r"DELETE channels/nobody: 404 Channel not found") as refusal:
        await scene.client.channels.hangup("nobody")
    assert refusal.value.status == 404


async def test_listings_go_over_http(scene: Scene) -> None:
    """The socket's reader serves requests one by one: a long list would hold up a hangup."""
    assert await scene.client.channels.list() == []
    assert await scene.client.bridges.list() == []
    assert (await scene.client.asterisk.get_info())["system"]["version"] == "22.10.1"
    assert scene.asterisk.asked == ["filter"]


async def test_wrong_credentials() -> None:
    async with running_asterisk() as asterisk, open_reader(asterisk.url, USERNAME, "wrong", "kakehashi") as reader:
        with pytest.raises(AriError, match="401 Authentication required"):
            await reader.channels.list()


async def test_a_reader_takes_no_events() -> None:
    """The doctor and the CLI look without pushing the running application off its name."""
    async with running_asterisk() as asterisk, open_reader(asterisk.url, USERNAME, PASSWORD, "kakehashi") as reader:
        await reader.channels.list()
        assert asterisk.connections == 0


async def test_nobody_there(unused_tcp_port: int) -> None:
    async with open_client(f"http://127.0.0.1:{unused_tcp_port}", USERNAME, PASSWORD, "kakehashi") as client:
        assert not client.connected
        with pytest.raises(AriDisconnectedError):
            await client.channels.hangup("x")
        with pytest.raises(AriDisconnectedError):
            await client.channels.list()


async def test_an_asterisk_that_starts_after_us() -> None:
    async with running_asterisk() as asterisk:
        asterisk.closed_to_all = True
        async with open_client(asterisk.url, USERNAME, PASSWORD, "kakehashi") as client:
            request = asyncio.create_task(client.channels.hangup("x"))
            asterisk.closed_to_all = False
            async with asyncio.timeout(2):
                await client.wait_connected()
            with pytest.raises(AriError, match="404"):
                await request


async def test_a_greeting_that_is_refused_is_tried_again() -> None:
    """Without its filter and its look at what was missed a connection does not count."""
    async with running_asterisk() as asterisk:
        asterisk.refuse("filter", 500)
        async with open_client(asterisk.url, USERNAME, PASSWORD, "kakehashi") as client:
            async with asyncio.timeout(2):
                await client.wait_connected()
            assert asterisk.connections == 2


async def test_a_lost_answer(scene: Scene) -> None:
    """Whether it was carried out is not known: that is what the error says, at once."""
    scene.asterisk.upon("bridge", scene.asterisk.cut_socket)
    with pytest.raises(AriDisconnectedError):
        await scene.client.bridges.create("b")
    await scene.client.wait_connected()
    await scene.client.bridges.destroy("b")


async def test_a_stalled_socket_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that neither reads nor answers pings is as good as gone."""
    monkeypatch.setattr("ari_app.ari.client.HEARTBEAT_S", 0.05)
    async with running_asterisk() as asterisk, open_client(asterisk.url, USERNAME, PASSWORD, "kakehashi") as client:
        await client.wait_connected()
        asterisk.stall()
        with pytest.raises(AriDisconnectedError):
            await client.bridges.create("b")
        asterisk.unstall()
        async with asyncio.timeout(2):
            await client.wait_connected()
        assert asterisk.connections == 2


async def test_what_cannot_be_read_does_not_stop_the_reader(scene: Scene) -> None:
    """One strange event must not take every other call's events with it."""
    for strange in ({"type": "Dial"}, {"type": "ChannelDestroyed", "channel": {}}, {"type": "StasisStart"}):
        scene.asterisk._send(strange)
    scene.asterisk._out += ["{not json", "[]", "null"]
    await scene.client.bridges.create("b")
    await scene.client.bridges.destroy("b")
    assert scene.client.connected
    assert scene.asterisk.connections == 1


async def test_a_broken_listener_does_not_stop_the_reader(scene: Scene, logged: list[Any]) -> None:
    class Broken:
        def take(self, event: object) -> None:
            raise ValueError(event)

    with scene.client.bus.subscribed("c-1", Broken()):
        scene.asterisk.emit("ChannelStateChange", channel={"id": "c-1", "name": "PJSIP/x", "state": "Up"})
        await scene.client.bridges.create("b")
    await scene.client.bridges.destroy("b")
    assert scene.client.connected
    assert [entry["channel_id"] for entry in logged if entry["event"] == "listener_broken"] == ["c-1"]
    logged.clear()


async def test_one_listener_a_channel(scene: Scene) -> None:
    class Listener:
        def take(self, event: object) -> None: ...

    subscribed = scene.client.bus.subscribed
    with subscribed("c-1", Listener()), pytest.raises(RuntimeError), subscribed("c-1", Listener()):
        pass
    assert scene.client.bus.listeners() == []


async def test_the_end_of_the_block_does_not_wait(scene: Scene) -> None:
    """However the socket stands, leaving takes no time."""
    async with running_asterisk() as asterisk:
        async with open_client(asterisk.url, USERNAME, PASSWORD, "kakehashi") as client:
            await client.wait_connected()
            asterisk.cut_socket()
        assert not client.connected


def test_unknown_events_are_passed_over() -> None:
    assert parse({"type": "ChannelVarset", "channel": {"id": "c"}}) is None
    assert parse(json.loads('{"type": "PeerStatusChange"}')) is None
