"""A real Asterisk and the simulated carrier: start, side by side, calls through the trunk, stop."""

import json
import os
import socket
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from ari_app.asterisk import instance
from ari_app.asterisk.carrier import AGENT_TONE_HZ, CUSTOMER_TONE_HZ, Carrier, CarrierCall, carrier_config
from ari_app.asterisk.config import Connection, InstanceConfig, Trunk
from ari_app.asterisk.rootfs import build_rootfs
from ari_app.errors import AsteriskConflictError, PortInUseError

pytestmark = pytest.mark.live

Seen = TypeVar("Seen")

APPLICATION_AWAY = "app 'kakehashi'"  # Asterisk warns when a call comes in and no application is connected
SAMPLE_RATE = 8000
AUDIBLE = 500  # amplitude of a tone that was really there; noise and crosstalk stay below 50


@dataclass(frozen=True)
class Network:
    """A PBX and the carrier behind its trunk."""

    pbx: InstanceConfig
    connection: Connection
    carrier: Carrier

    def dial(self, number: str, application: str) -> None:
        """Call `number` over the trunk and run a dialplan application on the answered leg."""
        instance.command(self.pbx.dir, f"channel originate PJSIP/{number}@trunk application {application}")

    def causes(self) -> dict[str, int]:
        """Hangup cause of each leg that ended, by channel name."""
        lines = Path(self.connection.cel_file).read_text().splitlines()
        events = [event for line in lines if (event := json.loads(line))["eventtype"] == "HANGUP"]
        return {event["channame"]: json.loads(event["eventextra"])["hangupcause"] for event in events}

    def ended(self, number: str) -> CarrierCall | None:
        """The carrier's record of the one call to `number`, once it is over."""
        return next((call for call in self.carrier.calls(number) if call.ended_at), None)


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pbx_config(directory: Path, trunk_port: int, rtp_first: int = 20000) -> InstanceConfig:
    return InstanceConfig(
        dir=directory,
        sip_port=free_port(socket.SOCK_DGRAM),
        http_port=free_port(socket.SOCK_STREAM),
        ami_port=free_port(socket.SOCK_STREAM),
        rtp_ports=(rtp_first, rtp_first + 499),
        trunk=Trunk(port=trunk_port),
    )


def eventually(look: Callable[[], Seen], limit_s: float = 10) -> Seen:
    """What `look` sees, as soon as it sees something."""
    deadline = time.monotonic() + limit_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"nothing after {limit_s} s"
        time.sleep(0.05)
    return seen


def complaints(directory: Path) -> list[str]:
    lines = (directory / "log/messages.log").read_text().splitlines()
    return [line for line in lines if " WARNING[" in line or " ERROR[" in line]


def loudness(recording: Path, hz: int) -> float:
    """Amplitude of the tone `hz` in a recording's last second (16-bit units)."""
    # Asterisk completes the WAV header, 44 bytes, only when the call is over.
    samples = np.fromfile(recording, dtype="<i2", offset=44)[-SAMPLE_RATE:].astype(float)
    if len(samples) < SAMPLE_RATE:
        return 0.0
    turns = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / SAMPLE_RATE)
    return float(2 * abs(np.mean(samples * turns)))


def ari_status(connection: Connection, password: str) -> int:
    request = urllib.request.Request(f"{connection.ari_url}/ari/asterisk/info?api_key=kakehashi:{password}")
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def listening(port: int, protocol: str) -> set[str]:
    """The addresses `port` is bound to, as /proc/net shows them."""
    rows = [line.split()[1] for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]]
    return {address for address, _, hexadecimal in (row.partition(":") for row in rows) if int(hexadecimal, 16) == port}


@pytest.fixture(scope="module", autouse=True)
def _rootfs() -> None:
    build_rootfs()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    carrier_port = free_port(socket.SOCK_DGRAM)
    pbx = pbx_config(tmp_path_factory.mktemp("pbx"), carrier_port)
    connection = instance.start(pbx)
    carrier_of_pbx = carrier_config(
        tmp_path_factory.mktemp("carrier"),
        sip_port=carrier_port,
        http_port=free_port(socket.SOCK_STREAM),
        ami_port=free_port(socket.SOCK_STREAM),
        rtp_ports=(20500, 20999),
        pbx=Trunk(port=pbx.sip_port),
    )
    try:
        yield Network(pbx, connection, Carrier.start(carrier_of_pbx))
    finally:
        instance.stop(pbx.dir)
        instance.stop(carrier_of_pbx.dir)


def test_nothing_complains_at_start(network: Network) -> None:
    """Both instances boot without one WARNING or ERROR, on the console or in the log."""
    for directory in (network.pbx.dir, network.carrier.dir):
        assert complaints(directory) == []
        assert (directory / "console.log").read_text() == ""


def test_ari_and_ami_are_on_loopback_behind_generated_secrets(network: Network) -> None:
    connection = network.connection
    assert ari_status(connection, connection.ari_password) == 200
    assert ari_status(connection, "wrong") == 401
    assert listening(connection.http_port, "tcp") == {"0100007F"}
    assert listening(connection.ami_port, "tcp") == {"0100007F"}
    assert stat.S_IMODE((network.pbx.dir / "credentials.json").stat().st_mode) == 0o600
    assert connection.ari_password not in repr(connection)


def test_sip_is_on_loopback_only_for_a_trunk_on_this_machine(network: Network) -> None:
    assert listening(network.pbx.sip_port, "udp") == {"0100007F"}
    assert InstanceConfig(dir=network.pbx.dir, trunk=Trunk(host="192.0.2.1")).bind == "0.0.0.0"


def test_starting_twice_is_harmless_and_other_settings_are_refused(network: Network, tmp_path: Path) -> None:
    pid = instance.status(network.pbx.dir).pid
    state_file = tmp_path / "asterisk.json"
    assert instance.start(network.pbx, state_file=state_file) == network.connection
    assert instance.status(network.pbx.dir).pid == pid
    assert json.loads(state_file.read_text())["ari_password"] == network.connection.ari_password
    with pytest.raises(AsteriskConflictError):
        instance.start(replace(network.pbx, rtp_ports=(21000, 21499)))


def test_a_port_in_use_is_named_before_anything_starts(network: Network, tmp_path: Path) -> None:
    taken = replace(pbx_config(tmp_path / "pbx", 5070), sip_port=network.pbx.sip_port)
    with pytest.raises(PortInUseError, match=str(network.pbx.sip_port)):
        instance.start(taken)
    assert not instance.status(taken.dir).running


def test_stop_leaves_nothing_and_secrets_are_kept(tmp_path: Path) -> None:
    config = pbx_config(tmp_path / "pbx", 5070, rtp_first=21000)
    first = instance.start(config)
    pid = instance.status(config.dir).pid
    assert pid is not None
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(config.dir) not in mounts
    assert ".rootfs" not in mounts

    assert instance.stop(config.dir)
    assert not instance.stop(config.dir)
    eventually(lambda: not Path(f"/proc/{pid}/root/srv").exists())
    assert listening(config.sip_port, "udp") == set()
    assert not instance.status(config.dir).running

    assert instance.start(config).ari_password == first.ari_password
    assert instance.stop(config.dir)


def test_a_pid_that_now_belongs_to_another_process_is_left_alone(tmp_path: Path) -> None:
    config = pbx_config(tmp_path / "pbx", 5070, rtp_first=21000)
    config.dir.mkdir()
    (config.dir / "pid").write_text(f"{os.getpid()} 1\n")
    assert not instance.stop(config.dir)
    instance.start(config)
    assert instance.status(config.dir).pid != os.getpid()
    assert instance.stop(config.dir)


def test_site_configuration_survives_a_restart(tmp_path: Path) -> None:
    config = pbx_config(tmp_path / "pbx", 5070, rtp_first=21000)
    instance.start(config)
    instance.stop(config.dir)
    (config.dir / "etc/pjsip_local.conf").write_text("[desk]\ntype = aor\nmax_contacts = 1\n")
    instance.start(config)
    try:
        assert "desk" in instance.command(config.dir, "pjsip show aors")
    finally:
        instance.stop(config.dir)


def test_two_phones_hear_each_other_through_the_trunk(network: Network) -> None:
    agent, customer = "09011110001", "09022220002"
    network.dial(agent, f"Dial PJSIP/{customer}@trunk")
    eventually(lambda: len([call for call in network.carrier.calls() if call.answered_at]) >= 2)
    heard = {number: network.carrier.calls(number)[0].recording for number in (agent, customer)}
    # The customer's spoken greeting comes first.
    eventually(lambda: heard[agent].exists() and loudness(heard[agent], CUSTOMER_TONE_HZ) > AUDIBLE, 15)
    network.carrier.hang_up(customer)

    eventually(lambda: network.ended(agent))
    assert loudness(heard[customer], AGENT_TONE_HZ) > AUDIBLE
    assert loudness(heard[customer], CUSTOMER_TONE_HZ) < AUDIBLE / 10
    assert loudness(heard[agent], AGENT_TONE_HZ) < AUDIBLE / 10


@pytest.mark.parametrize(
    ("number", "cause", "answered"),
    [
        ("09033330011", 17, False),
        ("09033330013", 21, False),
        ("09033330014", 1, False),
        ("09033330018", 19, False),
        ("09033330019", 34, False),
        ("09033330016", 16, True),
        ("09033330031", 16, True),
    ],
)
def test_numbers_behave_by_their_last_digits(network: Network, number: str, cause: int, answered: bool) -> None:
    known = set(network.causes())
    network.dial(number, "Wait 30")
    call = eventually(lambda: network.ended(number), 15)
    assert (call.answered_at is not None) is answered
    (leg,) = eventually(lambda: set(network.causes()) - known)
    assert network.causes()[leg] == cause


def test_a_phone_presses_keys(network: Network) -> None:
    """The PBX stops reading at the third key, and hangs up."""
    number = "09044440023"
    network.dial(number, "Read KEYS,,3,,1,60")
    eventually(lambda: any(call.answered_at for call in network.carrier.calls(number)))
    network.carrier.press(number, "123")
    eventually(lambda: network.ended(number), 3)


def test_the_carrier_calls_the_company_and_hears_the_notice_while_no_application_runs(network: Network) -> None:
    network.carrier.call("0312345678", caller="09055550002")
    records = Path(network.connection.cdr_file)
    eventually(lambda: records.exists() and '"Hangup","16"' in records.read_text(), 20)


def test_a_trunk_with_registration(tmp_path: Path) -> None:
    """The PBX registers, and its calls answer the carrier's challenge."""
    sip_port = free_port(socket.SOCK_DGRAM)
    secret = {"username": "kakehashi01", "password": "p;ss word"}
    pbx = replace(
        pbx_config(tmp_path / "pbx", sip_port, rtp_first=21000), trunk=Trunk(host="127.0.0.1", port=sip_port, **secret)
    )
    carrier_of_pbx = carrier_config(
        tmp_path / "carrier",
        sip_port=sip_port,
        http_port=free_port(socket.SOCK_STREAM),
        ami_port=free_port(socket.SOCK_STREAM),
        rtp_ports=(21500, 21999),
        pbx=Trunk(port=pbx.sip_port, **secret),
    )
    try:
        carrier = Carrier.start(carrier_of_pbx)
        network = Network(pbx, instance.start(pbx), carrier)
        eventually(lambda: "Registered" in instance.command(pbx.dir, "pjsip show registrations"))
        network.dial("09066660016", "Wait 30")
        assert eventually(lambda: network.ended("09066660016")).answered_at is not None
        assert complaints(pbx.dir) == []
    finally:
        instance.stop(pbx.dir)
        instance.stop(carrier_of_pbx.dir)


def test_nothing_complained_during_the_calls(network: Network) -> None:
    assert [complaint for complaint in complaints(network.pbx.dir) if APPLICATION_AWAY not in complaint] == []
    assert complaints(network.carrier.dir) == []
