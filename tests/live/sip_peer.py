"""A SIP user agent over UDP behind the PBX's trunk, whose phones are scripts that may break any rule (RFC 3261)."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from .rtp_stream import RtpStream
from .sip_message import SipMessage

REASONS = {100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 487: "Request Terminated"}
LIMIT_S = 20


class Dialog:
    """One call of the PBX to one phone. What the script does not take over is answered as the RFC asks."""

    def __init__(self, invite: SipMessage, rtp: RtpStream, send: Callable[[SipMessage], None], port: int) -> None:
        self.invite = invite
        self.rtp = rtp
        self.by_hand: set[str] = set()  # methods the script answers itself
        self.requests: list[SipMessage] = [invite]
        self.over = False  # nothing of it is left, as the RFC sees it
        self.answered_at = 0.0  # the event loop's time of the first 200
        self._responses: list[SipMessage] = []
        self._send = send
        self._port = port
        self._tag = secrets.token_hex(4)
        self._sequence = 1
        self._last: SipMessage | None = None
        self._news = asyncio.Condition()

    def respond(
        self,
        status: int,
        *,
        to: SipMessage | None = None,
        sdp: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer the INVITE, or the request `to`, with that description of audio and those headers."""
        request = to or self.invite
        response = SipMessage(f"SIP/2.0 {status} {REASONS.get(status, 'Whatever')}")
        for name in ("Via", "From", "Call-ID", "CSeq"):
            response.headers += [(name, value) for value in request.all(name.lower())]
        tagged = "tag=" in request["to"] or status == 100
        response.headers.append(("To", request["to"] if tagged else f"{request['to']};tag={self._tag}"))
        response.headers += [("Contact", f"<sip:phone@127.0.0.1:{self._port}>"), *(headers or {}).items()]
        if sdp is not None:
            response.headers.append(("Content-Type", "application/sdp"))
            response.body = sdp
        if request.method == "INVITE" and request is self.invite:
            self._last = response
            self.over = status >= 300
            if status == 200:
                self.answered_at = self.answered_at or time.monotonic()
        self._send(response)

    def repeat(self) -> None:
        """Send the last response to the INVITE again."""
        assert self._last is not None
        self._send(self._last)

    def answer(self, direction: str = "sendrecv") -> None:
        """200 with audio."""
        self.respond(200, sdp=self.sdp(direction))

    def sdp(self, direction: str = "sendrecv", *, port: int | None = None) -> str:
        """A description of this phone's audio; port 0 refuses it."""
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.rtp.port if port is None else port} RTP/AVP 0 101\r\n"
            f"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        )

    def request(self, method: str, sdp: str | None = None) -> None:
        """Send a request within the dialog."""
        self._sequence += method != "ACK"
        message = SipMessage(f"{method} {self.invite['contact'].strip('<>')} SIP/2.0")
        message.headers = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self._port};branch=z9hG4bK{secrets.token_hex(6)}"),
            ("Max-Forwards", "70"),
            ("From", f"{self.invite['to']};tag={self._tag}"),
            ("To", self.invite["from"]),
            ("Call-ID", self.invite["call-id"]),
            ("CSeq", f"{self._sequence} {method}"),
            ("Contact", f"<sip:phone@127.0.0.1:{self._port}>"),
        ]
        if sdp is not None:
            message.headers.append(("Content-Type", "application/sdp"))
            message.body = sdp
        self._send(message)

    async def reinvite(self, sdp: str) -> None:
        """Offer another description, or the same one as a refresh, and take the answer."""
        answered = len(self._responses)
        self.request("INVITE", sdp)
        async with self._news, asyncio.timeout(LIMIT_S):
            await self._news.wait_for(lambda: any(response.status == 200 for response in self._responses[answered:]))
        self.request("ACK")

    async def expect(self, method: str, status: int | None = None, *, limit_s: float = LIMIT_S) -> SipMessage:
        """The first request of that method, or the final response of `status` to ours. Raises TimeoutError."""
        kept = self.requests if status is None else self._responses

        def found() -> SipMessage | None:
            return next((message for message in kept if (message.method, message.status) == (method, status)), None)

        async with self._news, asyncio.timeout(limit_s):
            await self._news.wait_for(found)
        message = found()
        assert message is not None
        return message

    async def take(self, message: SipMessage) -> None:
        """A message of this dialog came in."""
        repeated = (
            message.method == "INVITE" and message.sequence == self.invite.sequence and message is not self.invite
        )
        if message.status is None:
            if repeated:
                if self._last is not None:
                    self.repeat()
                return
            if not any((seen.method, seen.sequence) == (message.method, message.sequence) for seen in self.requests):
                self.requests.append(message)
            if message.method in ("BYE", "CANCEL", "UPDATE", "PRACK", "OPTIONS") and message.method not in self.by_hand:
                self.respond(200, to=message)
                if message.method == "CANCEL":
                    self.respond(487)
        else:
            self._responses.append(message)
        if message.method == "BYE":
            self.over = True
        if self.over:
            self.rtp.close()
        async with self._news:
            self._news.notify_all()


Phone = Callable[[Dialog], Awaitable[None]]


class SipPeer(asyncio.DatagramProtocol):
    """Use `running_peer`. `phones` are scripts by number; a number without one is silent for ever."""

    def __init__(self) -> None:
        self.phones: dict[str, Phone] = {}
        self.dialogs: dict[str, Dialog] = {}
        self.failures: list[BaseException] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: Any) -> None:
        """Open."""
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        """Take a message to its dialog, or begin one."""
        assert self._transport is not None
        if not data.strip():
            return
        message, transport = SipMessage.parse(data), self._transport
        dialog = self.dialogs.get(message["call-id"])
        if dialog is not None:
            self._spawn(dialog.take(message))
        elif message.method == "INVITE":
            self._spawn(self._begin(message, lambda answer: transport.sendto(answer.encode(), address)))

    def of(self, number: str) -> Dialog:
        """The one call to `number`."""
        (dialog,) = [dialog for dialog in self.dialogs.values() if dialog.invite.target == number]
        return dialog

    def close(self) -> None:
        """Hang nothing up, just be gone."""
        for task in self._tasks:
            task.cancel()
        for dialog in self.dialogs.values():
            dialog.rtp.close()
        assert self._transport is not None
        self._transport.close()

    async def _begin(self, invite: SipMessage, send: Callable[[SipMessage], None]) -> None:
        rtp = await RtpStream.open()
        if invite["call-id"] in self.dialogs:
            rtp.close()
            return
        dialog = self.dialogs[invite["call-id"]] = Dialog(invite, rtp, send, self.port)
        rtp.remote = invite.rtp_address
        phone = self.phones.get(invite.target)
        if phone is not None:
            await phone(dialog)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)


@asynccontextmanager
async def running_peer() -> AsyncIterator[SipPeer]:
    """A peer on a free port."""
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_datagram_endpoint(SipPeer, local_addr=("127.0.0.1", 0))
    try:
        yield peer
    finally:
        peer.close()
