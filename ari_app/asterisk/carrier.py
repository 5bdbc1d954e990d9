"""The simulated carrier: a second Asterisk whose numbers behave by their last two digits.

It is the public network, the agents' mobiles and the customers' phones in one, for the demo and the live tests.
Each answered phone's received audio is recorded, and each call that reached it can be read back with the
numbers it was shown.
"""

import base64
import json
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from ari_app.asterisk import instance
from ari_app.asterisk.config import ETC_TEMPLATES, Connection, InstanceConfig, Trunk, stored_connection
from ari_app.asterisk.rootfs import DOCKER_DIR
from ari_app.errors import AsteriskNotRunningError, NotFoundError

AGENT_TONE_HZ = 1000
CUSTOMER_TONE_HZ = 600

# The last two digits of a number, and what its phone does. Any other number behaves as 02.
BEHAVIOURS = {
    "01": "1秒後に応答し、オペレーターの音（1000 Hz）を流し続ける",
    "02": "1秒後に応答し、日本語で名乗ってからお客様の音（600 Hz）を流し続ける",
    "03": "網の呼出音（アーリーメディア, 183）を4秒流してから、02と同じ",
    "11": "話中（486）",
    "12": "鳴り続けて応答しない（180のみ）",
    "13": "2秒鳴ってから拒否（603）",
    "14": "欠番のアナウンス（183）の後、404",
    "15": "留守番電話：2秒後に応答、ガイダンス、発信音（1400 Hz）、60秒の無音、切断",
    "16": "1秒後に応答し、ただちに切断",
    "17": "遅い電話：5秒後に呼出、10秒後に応答、その後は02と同じ",
    "18": "圏外のアナウンス（183）の後、480",
    "19": "網の輻輳（503）",
    "20": "100 Trying の後は何も返さない",
    "21": "1秒後に応答し、1.5秒後に1を押してから01と同じ",
    "22": "1秒後に応答し、1.5秒後に2、さらに2秒後に1を押してから01と同じ",
    "23": "1秒後に応答し、何も押さず何も話さない",
    "24": "21と同じだが、6秒話して先に切断",
    "31": "1秒後に応答し、お客様の音を5秒流して先に切断",
    "32": "ただちに応答し、お客様の音を流し続ける",
    "33": "ただちに応答し、オペレーターの音を流し続ける",
    "39": "ただちに応答する（負荷試験用：無音、録音なし）",
}

CARRIER_TEMPLATES = (ETC_TEMPLATES, DOCKER_DIR / "carrier")


@dataclass(frozen=True, kw_only=True)
class CarrierCall:
    """A call from the PBX as the carrier saw it. Times are UTC; headers are the SIP headers' values."""

    number: str
    from_header: str
    asserted_identity: str
    privacy: str
    call_id: str
    invited_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    hangup_cause: int | None  # Q.850
    recording: Path  # what the phone heard, 8 kHz mono WAV; there once the call was answered


def carrier_config(
    directory: Path,
    *,
    sip_port: int = 5070,
    http_port: int = 8098,
    ami_port: int = 5048,
    rtp_ports: tuple[int, int] = (11000, 11999),
    pbx: Trunk | None = None,
) -> InstanceConfig:
    """The configuration of a carrier whose subscriber is `pbx`.

    With `pbx.username` the PBX must register and authenticate itself.
    """
    return InstanceConfig(
        dir=directory,
        sip_port=sip_port,
        http_port=http_port,
        ami_port=ami_port,
        rtp_ports=rtp_ports,
        trunk=pbx or Trunk(port=5060),
        ami_write="system,call,reporting,originate",
        templates=CARRIER_TEMPLATES,
    )


class Carrier:
    """A carrier that was started, by its directory."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory

    @classmethod
    def start(cls, config: InstanceConfig) -> Self:
        """Run the carrier of `carrier_config` and return once it takes calls. See `instance.start`."""
        instance.start(config)
        return cls(config.dir)

    def stop(self) -> bool:
        """End the carrier and its calls. Returns whether it was running."""
        return instance.stop(self.dir)

    @property
    def connection(self) -> Connection:
        """How to reach it."""
        connection = stored_connection(self.dir)
        if connection is None:
            raise AsteriskNotRunningError(dir=self.dir)
        return connection

    @property
    def recordings(self) -> Path:
        """Where what the phones heard is kept: NUMBER-UNIQUEID.wav."""
        return self.dir / "recordings"

    def calls(self, number: str | None = None) -> list[CarrierCall]:
        """The calls that reached the carrier (or only `number`), oldest first."""
        events: dict[str, list[dict[str, Any]]] = {}
        cel = Path(self.connection.cel_file)
        for line in cel.read_text().splitlines() if cel.exists() else []:
            event = json.loads(line)
            events.setdefault(event["uniqueid"], []).append(event)
        calls = [self._call(of_one) for of_one in events.values() if _first(of_one, "INVITE")]
        return [call for call in calls if number in (None, call.number)]

    def call(self, number: str, *, caller: str) -> None:
        """Place a call to the PBX's `number` from `caller`, whose phone then behaves as a customer's."""
        self._action(
            Action="Originate",
            Channel=f"PJSIP/{number}@pbx",
            Context="caller",
            Exten=caller,
            Priority="1",
            CallerID=caller,
            Timeout="60000",
            Async="true",
        )

    def press(self, number: str, digits: str) -> None:
        """Let the phone `number`, which is on a call, press `digits` (RFC 4733)."""
        channel = self._channel(number)["name"]
        for digit in digits:
            self._action(Action="PlayDTMF", Channel=channel, Digit=digit, Duration="120")
            time.sleep(0.25)  # a key and the pause after it, as a hand presses them

    def hang_up(self, number: str) -> None:
        """Let the phone `number` hang up or, still ringing, decline."""
        self._action(Action="Hangup", Channel=self._channel(number)["name"], Cause="16")

    def _call(self, events: list[dict[str, Any]]) -> CarrierCall:
        invite, answer, hangup = (_first(events, kind) for kind in ("INVITE", "ANSWER", "HANGUP"))
        assert invite is not None
        shown = base64.b64decode(json.loads(invite["eventextra"])["extra"]).decode()
        call_id, privacy, asserted_identity, from_header = shown.split("|", 3)
        return CarrierCall(
            number=invite["accountcode"],
            from_header=from_header,
            asserted_identity=asserted_identity,
            privacy=privacy,
            call_id=call_id,
            invited_at=_time(invite),
            answered_at=_time(answer) if answer else None,
            ended_at=_time(hangup) if hangup else None,
            hangup_cause=json.loads(hangup["eventextra"])["hangupcause"] if hangup else None,
            recording=self.recordings / f"{invite['accountcode']}-{invite['uniqueid']}.wav",
        )

    def _channel(self, number: str) -> dict[str, Any]:
        for channel in instance.ari_get(self.connection, "/channels"):
            if channel["accountcode"] == number:
                return dict(channel)
        raise NotFoundError(value=number)

    def _action(self, **fields: str) -> None:
        """Send one AMI action. Raises RuntimeError with Asterisk's words when it is refused."""
        login = {
            "Action": "Login",
            "Username": self.connection.ami_username,
            "Secret": self.connection.ami_password,
            "Events": "off",
        }
        with socket.create_connection(("127.0.0.1", self.connection.ami_port), timeout=10) as ami:
            replies = ami.makefile("r", newline="\r\n")
            replies.readline()
            for action in (login, fields):
                ami.sendall(("".join(f"{key}: {value}\r\n" for key, value in action.items()) + "\r\n").encode())
                reply = list(iter(lambda: replies.readline().strip(), ""))
                if "Response: Success" not in reply:
                    raise RuntimeError(f"{action['Action']}: {reply}")


def _first(events: list[dict[str, Any]], kind: str) -> dict[str, Any] | None:
    return next((event for event in events if kind in (event["eventtype"], event["userdeftype"])), None)


def _time(event: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(float(event["eventtime"]), UTC)
