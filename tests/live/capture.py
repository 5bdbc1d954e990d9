"""What a PBX sends and receives over SIP, read from the capture its own logger writes."""

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ari_app.asterisk import instance
from ari_app.asterisk.config import InstanceConfig

from .sip_message import SipMessage

FILE_HEADER = 24
PACKET_HEADER = 16
ETHERNET_IPV4_UDP = 14 + 20 + 8
DESTINATION_PORT = 14 + 20 + 2


@dataclass
class Capture:
    """The SIP messages of a PBX, filled in when the block of `captured` ends."""

    sent: list[SipMessage] = field(default_factory=list)
    received: list[SipMessage] = field(default_factory=list)
    raw: bytes = b""

    def dialog(self, number: str) -> list[SipMessage]:
        """Every message of the one call the PBX placed to `number`, both ways."""
        (call_id,) = {message["Call-ID"] for message in self.sent if message.target == number}
        return [message for message in self.sent + self.received if message["Call-ID"] == call_id]

    def invite(self, number: str) -> SipMessage:
        """The first INVITE to `number`."""
        return next(message for message in self.sent if message.method == "INVITE" and message.target == number)


@contextlib.contextmanager
def captured(pbx: InstanceConfig) -> Iterator[Capture]:
    """Capture the SIP of `pbx` during the block."""
    capture = Capture()
    instance.command(pbx.dir, "pjsip set logger pcap /srv/asterisk/log/sip.pcap")
    instance.command(pbx.dir, "pjsip set logger on")
    try:
        yield capture
    finally:
        instance.command(pbx.dir, "pjsip set logger off")
        capture.raw = (pbx.dir / "log/sip.pcap").read_bytes()
        for destination_port, payload in _datagrams(capture.raw):
            messages = capture.sent if destination_port == pbx.trunk.port else capture.received
            messages.append(SipMessage.parse(payload))


def _datagrams(pcap: bytes) -> Iterator[tuple[int, bytes]]:
    position = FILE_HEADER
    while position + PACKET_HEADER <= len(pcap):
        (size,) = struct.unpack_from("<8xI", pcap, position)
        packet = pcap[position + PACKET_HEADER :][:size]
        position += PACKET_HEADER + size
        payload = packet[ETHERNET_IPV4_UDP:]
        if payload.strip():
            yield struct.unpack_from("!H", packet, DESTINATION_PORT)[0], payload
