"""A PBX of its own and what is behind its trunk."""

import contextlib
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from ari_app.asterisk import instance
from ari_app.asterisk.carrier import Carrier, carrier_config
from ari_app.asterisk.config import Connection, InstanceConfig, Trunk
from ari_app.config import Settings

RTP_PORTS = 400
RTP_RANGE = (20000, 32000)  # below the kernel's ephemeral ports


@dataclass(frozen=True)
class Exchange:
    """A PBX and the carrier behind its trunk."""

    pbx: InstanceConfig
    connection: Connection
    carrier: Carrier


@contextlib.contextmanager
def running_exchange(directory: Path) -> Iterator[Exchange]:
    """Both, started and stopped with the block."""
    carrier_port = free_port(socket.SOCK_DGRAM)
    pbx = pbx_config(directory / "pbx", carrier_port)
    carrier = carrier_config(
        directory / "carrier",
        sip_port=carrier_port,
        http_port=free_port(socket.SOCK_STREAM),
        ami_port=free_port(socket.SOCK_STREAM),
        rtp_ports=free_rtp_ports(),
        pbx=Trunk(port=pbx.sip_port),
    )
    try:
        yield Exchange(pbx, instance.start(pbx), Carrier.start(carrier))
    finally:
        instance.stop(pbx.dir)
        instance.stop(carrier.dir)


def pbx_config(directory: Path, trunk_port: int) -> InstanceConfig:
    """A PBX on free ports."""
    return InstanceConfig(
        dir=directory,
        sip_port=free_port(socket.SOCK_DGRAM),
        http_port=free_port(socket.SOCK_STREAM),
        ami_port=free_port(socket.SOCK_STREAM),
        rtp_ports=free_rtp_ports(),
        trunk=Trunk(port=trunk_port),
    )


def settings_for(connection: Connection, state_dir: Path, **changes: object) -> Settings:
    """Settings of an installation on that PBX, with limits short enough for a test."""
    return Settings().model_copy(
        update={
            "state_dir": state_dir,
            "database_url": f"sqlite:///{state_dir / 'kakehashi.db'}",
            "ari_url": connection.ari_url,
            "ari_username": connection.ari_username,
            "ari_password": SecretStr(connection.ari_password),
            "cel_file": Path(connection.cel_file),
            "channel_limit": 200,
            "ring_agent_s": 9.0,
            "ring_customer_s": 9.0,
            "accept_s": 5.0,
            "secret_key": SecretStr("live"),
        }
        | changes
    )


def free_port(kind: socket.SocketKind) -> int:
    """A port nobody has now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_rtp_ports() -> tuple[int, int]:
    """A range of UDP ports none of which is in use now."""
    used = {int(line.split()[1].rpartition(":")[2], 16) for line in Path("/proc/net/udp").read_text().splitlines()[1:]}
    while True:
        first = random.randrange(*RTP_RANGE, RTP_PORTS)
        if used.isdisjoint(range(first, first + RTP_PORTS)):
            return first, first + RTP_PORTS - 1
