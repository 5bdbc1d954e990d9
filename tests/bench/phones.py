"""The phones: a SIP peer that answers each call at once, ends it from the customer's side, and times what it sees.

It stands where the carrier stands, outside everything that is measured. It costs about a tenth of a core, and unlike
SIPp it knows which two legs are one call, so that both gaps are taken by one clock.

    agent answer -> customer INVITE     200 OK of the agent's phone sent, INVITE at the customer's phone received
    customer answer -> voice            200 OK of the customer's phone sent, first RTP packet of the other received

With `voice` the agent's phone talks from its answer on, a packet each 20 ms; from the customer's answer on both send a
packet each 0.5 ms until they have heard each other: the resolution of the second gap.
"""

import asyncio
import itertools
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import Any, cast

from tests.bench import child
from tests.bench.numbers import slot_of

RECEIVE_BYTES = 8 * 1024 * 1024
RESEND_S = 0.5
FRAME_S = 0.02
PROBE_S = 0.0005
FRAME_SAMPLES = 160
AGENT_VOICE, CUSTOMER_VOICE = 0x21, 0x42

_HEADER = re.compile(r"^(via|from|to|call-id|cseq|contact):[ \t]*(.*?)\r?$", re.IGNORECASE | re.MULTILINE)
_MEDIA = re.compile(r"^m=audio (\d+)", re.MULTILINE)
_ADDRESS = re.compile(r"^c=IN IP4 (\S+)", re.MULTILINE)


@dataclass(slots=True)
class Call:
    """What the phones saw of one call; monotonic seconds."""

    agent_answered: float
    customer_invited: float | None = None
    customer_answered: float | None = None
    agent_heard: float | None = None
    customer_heard: float | None = None
    ended: bool = False


@dataclass(slots=True)
class Dialog:
    """One phone's side of one leg."""

    slot: int
    agent: bool
    answer: bytes
    bye: bytes
    peer: tuple[str, int]
    media: tuple[str, int]
    acknowledged: bool = False
    bye_sent: bool = False


class Phones(asyncio.DatagramProtocol):
    """All phones behind one SIP port."""

    def __init__(self, host: str, port: int, rtp_port: int) -> None:
        self._host, self._port, self._rtp_port = host, port, rtp_port
        self._dialogs: dict[str, Dialog] = {}
        self._by_phone: dict[tuple[int, bool], Dialog] = {}
        self._calls: list[Call] = []
        self._of_slot: dict[int, Call] = {}
        self._voices: dict[tuple[int, bool], socket.socket] = {}
        self._tags = itertools.count(1)
        self._transport: asyncio.DatagramTransport
        self._hold_s = 0.1
        self._voice = False
        self._sink = _bound(host, rtp_port)

    async def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """`begin` a round with `hold_s` and `voice`, or `report` what was seen since."""
        if command["do"] == "begin":
            self._calls, self._hold_s, self._voice = [], command["hold_s"], command["voice"]
            return {}
        fields = ("agent_answered", "customer_invited", "customer_answered", "agent_heard", "customer_heard", "ended")
        return {"calls": [[getattr(call, name) for name in fields] for call in self._calls], "cpu_s": child.cpu_s()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket; make its queue long."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        asyncio.get_running_loop().call_later(RESEND_S, self._resend)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One SIP message."""
        now = time.monotonic()
        text = data.decode()
        headers = {name.lower(): value for name, value in _HEADER.findall(text)}
        dialog = self._dialogs.get(headers["call-id"])
        match text[:3], dialog:
            case "INV", None:
                self._invited(text, headers, addr, now)
            case "INV", Dialog():
                self._transport.sendto(dialog.answer, addr)
            case "ACK", Dialog():
                dialog.acknowledged = True
            case "BYE", _:
                self._transport.sendto(_response(headers, headers["to"]), addr)
                self._gone(headers["call-id"])
            case "SIP", _:
                self._gone(headers["call-id"])

    def _invited(self, text: str, headers: dict[str, str], addr: tuple[str, int], now: float) -> None:
        slot, agent = slot_of(text[text.index("sip:") + 4 : text.index("@")])
        tagged = f"{headers['to']};tag={next(self._tags)}"
        media, address = _MEDIA.search(text), _ADDRESS.search(text)
        assert media is not None
        assert address is not None
        contact = f"Contact: <sip:{self._host}:{self._port}>\r\n"
        dialog = Dialog(
            slot,
            agent,
            _response(headers, tagged, contact, self._session(slot, agent)),
            self._bye(headers, tagged),
            addr,
            (address[1], int(media[1])),
        )
        self._transport.sendto(dialog.answer, addr)
        answered = time.monotonic()
        self._dialogs[headers["call-id"]] = self._by_phone[slot, agent] = dialog
        if agent:
            self._of_slot[slot] = call = Call(answered)
            self._calls.append(call)
            if self._voice:
                threading.Thread(target=self._talk, args=(call, dialog), daemon=True).start()
        elif (of_slot := self._of_slot.get(slot)) is not None:
            of_slot.customer_invited, of_slot.customer_answered = now, answered
            asyncio.get_running_loop().call_later(self._hold_s, self._hang_up, of_slot, dialog)

    def _hang_up(self, call: Call, dialog: Dialog) -> None:
        call.ended = dialog.bye_sent = True
        self._transport.sendto(dialog.bye, dialog.peer)

    def _gone(self, call_id: str) -> None:
        dialog = self._dialogs.pop(call_id, None)
        if dialog is not None:
            dialog.acknowledged = True

    def _resend(self) -> None:
        """UDP may lose what was sent; a message that nobody confirmed goes out again."""
        for dialog in self._dialogs.values():
            if not dialog.acknowledged:
                self._transport.sendto(dialog.answer, dialog.peer)
            elif dialog.bye_sent:
                self._transport.sendto(dialog.bye, dialog.peer)
        asyncio.get_running_loop().call_later(RESEND_S, self._resend)

    def _bye(self, headers: dict[str, str], tagged: str) -> bytes:
        target = headers["contact"].partition("<")[2].partition(">")[0]
        return (
            f"BYE {target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self._host}:{self._port};branch=z9hG4bK{headers['call-id']}\r\n"
            f"From: {tagged}\r\nTo: {headers['from']}\r\nCall-ID: {headers['call-id']}\r\n"
            "CSeq: 1 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        ).encode()

    # Voice

    def _session(self, slot: int, agent: bool) -> str:
        port = self._voice_of(slot, agent).getsockname()[1] if self._voice else self._rtp_port
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self._host}\r\ns=-\r\nc=IN IP4 {self._host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
            "a=ptime:20\r\na=sendrecv\r\n"
        )

    def _voice_of(self, slot: int, agent: bool) -> socket.socket:
        key = slot, agent
        if key not in self._voices:
            self._voices[key] = phone = _bound(self._host, self._rtp_port + 2 + 4 * slot + 2 * agent)
            asyncio.get_running_loop().add_reader(phone, self._hear, phone, slot, agent)
        return self._voices[key]

    def _hear(self, phone: socket.socket, slot: int, agent: bool) -> None:
        packet = phone.recv(2048)
        now = time.monotonic()
        call = self._of_slot[slot]
        if call.customer_answered is None or len(packet) <= 12:
            return
        if agent and packet[12] == CUSTOMER_VOICE:
            call.agent_heard = call.agent_heard or now
        elif not agent and packet[12] == AGENT_VOICE:
            call.customer_heard = call.customer_heard or now

    def _talk(self, call: Call, agent: Dialog) -> None:
        """Both phones' voices, in a thread: the loop's timers are too coarse."""
        voices = [(self._voice_of(agent.slot, True), agent.media, _packets(AGENT_VOICE))]
        while not call.ended:
            for phone, media, packets in voices:
                phone.sendto(next(packets), media)
            if call.customer_answered is not None and len(voices) == 1:
                customer = self._by_phone[agent.slot, False]
                voices.append((self._voice_of(agent.slot, False), customer.media, _packets(CUSTOMER_VOICE)))
            elif call.customer_answered is None or (call.agent_heard and call.customer_heard):
                self._wait_frame(call)
            else:
                time.sleep(PROBE_S)

    def _wait_frame(self, call: Call) -> None:
        waiting = call.customer_answered is None
        until = time.monotonic() + FRAME_S
        while time.monotonic() < until and not (waiting and call.customer_answered is not None):
            time.sleep(PROBE_S)


def _packets(voice: int) -> Any:
    payload = bytes([voice]) * FRAME_SAMPLES
    for number in itertools.count():
        yield struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * FRAME_SAMPLES, voice) + payload


def _response(headers: dict[str, str], to: str, contact: str = "", body: str = "") -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"SIP/2.0 200 OK\r\nVia: {headers['via']}\r\nFrom: {headers['from']}\r\nTo: {to}\r\n"
        f"Call-ID: {headers['call-id']}\r\nCSeq: {headers['cseq']}\r\n{contact}{kind}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _bound(host: str, port: int) -> socket.socket:
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    phone.setblocking(False)
    phone.bind((host, port))
    return phone


async def _main() -> None:
    given = child.settings()
    phones = Phones(given["host"], given["sip_port"], given["rtp_port"])
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: phones, local_addr=(given["host"], given["sip_port"])
    )
    await child.serve(phones.answer)


if __name__ == "__main__":
    asyncio.run(_main())
