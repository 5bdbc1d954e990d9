"""The manager interface of a real Asterisk: the trunk's state, a reload, and the guard around panoramisk."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from ari_app.ami.client import open_ami
from ari_app.ami.trunk import TrunkState, TrunkWatch, trunk_state
from ari_app.asterisk import instance
from ari_app.asterisk.carrier import Carrier, carrier_config
from ari_app.asterisk.config import Connection, Trunk
from ari_app.config import Settings
from ari_app.doctor import ami as doctor
from ari_app.errors import AmiUnavailableError

from .exchange import Exchange, free_port, free_rtp_ports, pbx_config, settings_for
from .waiting import eventually

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


def with_ami(connection: Connection, state_dir: Path, **changes: object) -> Settings:
    """Settings that reach the PBX's manager interface too."""
    facts = {
        "ami_url": connection.ami_url,
        "ami_username": connection.ami_username,
        "ami_password": SecretStr(connection.ami_password),
    }
    return settings_for(connection, state_dir, **facts | changes)


async def test_a_trunk_that_does_not_register(exchange: Exchange, tmp_path: Path) -> None:
    settings = with_ami(exchange.connection, tmp_path)
    async with open_ami(settings) as ami:
        state = await trunk_state(ami, "trunk")
    assert (state.registration, state.registered, state.reachable) == (None, True, True)
    (finding,) = await doctor.checks(settings)
    assert (finding.name, finding.ok) == ("trunk_registration", True)


async def test_a_reload(exchange: Exchange, tmp_path: Path) -> None:
    before = instance.status(exchange.pbx.dir).uptime_s
    async with open_ami(with_ami(exchange.connection, tmp_path)) as ami:
        (answer,) = await ami.action("Reload")
    assert answer["Response"] == "Success"
    after = instance.status(exchange.pbx.dir)
    assert after.running and (after.uptime_s or 0) >= (before or 0)


async def test_a_line_break_is_not_sent(exchange: Exchange, tmp_path: Path) -> None:
    async with open_ami(with_ami(exchange.connection, tmp_path)) as ami:
        for hostile in ("trunk\r\nAction: Reload", "trunk\nX: 1", "trunk\x00"):
            with pytest.raises(ValueError, match="line break"):
                await ami.action("PJSIPShowEndpoint", Endpoint=hostile)


async def test_a_refused_login_is_told_and_not_tried_again(exchange: Exchange, tmp_path: Path) -> None:
    settings = with_ami(exchange.connection, tmp_path, ami_password=SecretStr("wrong"))
    async with open_ami(settings) as ami:
        with pytest.raises(AmiUnavailableError, match="login refused"):
            await ami.action("Ping")
    (finding,) = await doctor.checks(settings)
    assert (finding.name, finding.ok) == ("ami", False)


async def test_nobody_there(exchange: Exchange, tmp_path: Path) -> None:
    settings = with_ami(exchange.connection, tmp_path, ami_url=f"tcp://127.0.0.1:{free_port(socket.SOCK_STREAM)}")
    (finding,) = await doctor.checks(settings)
    assert (finding.name, finding.ok) == ("ami", False)


async def test_an_unanswered_action_is_not_sent_again(exchange: Exchange, tmp_path: Path) -> None:
    """The connection is lost between an action and its answer; panoramisk comes back by itself."""
    seen: list[str] = []
    async with silent_manager(seen) as port:
        settings = with_ami(exchange.connection, tmp_path, ami_url=f"tcp://127.0.0.1:{port}")
        async with open_ami(settings) as ami:
            with pytest.raises(AmiUnavailableError):
                await ami.action("Originate", Channel="Local/1")
            await eventually(lambda: seen.count("Login") > 1)
    assert seen.count("Originate") == 1


@pytest.fixture
def registering(rootfs: None, tmp_path: Path) -> Iterator[tuple[Connection, Carrier]]:
    """A PBX whose trunk registers at its carrier."""
    port, secret = free_port(socket.SOCK_DGRAM), {"username": "kakehashi01", "password": "secret"}
    pbx = replace(pbx_config(tmp_path / "pbx", port), trunk=Trunk(port=port, qualify_s=1, **secret))
    config = carrier_config(
        tmp_path / "carrier",
        sip_port=port,
        http_port=free_port(socket.SOCK_STREAM),
        ami_port=free_port(socket.SOCK_STREAM),
        rtp_ports=free_rtp_ports(),
        pbx=Trunk(port=pbx.sip_port, **secret),
    )
    try:
        carrier = Carrier.start(config)
        yield instance.start(pbx), carrier
    finally:
        instance.stop(pbx.dir)
        instance.stop(config.dir)


async def test_a_trunk_that_registers_is_watched(registering: tuple[Connection, Carrier], tmp_path: Path) -> None:
    """Registered and reachable; the carrier goes away."""
    connection, carrier = registering
    settings = with_ami(connection, tmp_path)
    watch = TrunkWatch()
    async with watch.running(settings):
        await eventually(lambda: watch.state == TrunkState("Registered", "Reachable"), 20)
        (finding,) = await doctor.checks(settings)
        assert (finding.name, finding.ok) == ("trunk_registration", True)
        await asyncio.to_thread(carrier.stop)
        await eventually(lambda: watch.state is not None and not watch.state.reachable, 30)
        (finding,) = await doctor.checks(settings)
        assert (finding.name, finding.ok) == ("trunk_registration", False)


@asynccontextmanager
async def silent_manager(seen: list[str]) -> AsyncIterator[int]:
    """A manager interface that takes logins and closes the connection at any other action."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        while request := (await reader.readuntil(b"\r\n\r\n")).decode():
            fields = dict(line.split(": ", 1) for line in request.strip().split("\r\n"))
            seen.append(fields["Action"])
            if fields["Action"] != "Login":
                break
            accepted = (
                f"Response: Success\r\nActionID: {fields['ActionID']}\r\nMessage: Authentication accepted\r\n\r\n"
            )
            writer.write(accepted.encode() + b"Event: FullyBooted\r\nStatus: Fully Booted\r\n\r\n")
        writer.close()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
