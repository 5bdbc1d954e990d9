"""One phone's audio: G.711 µ-law frames and key presses out, what comes in kept with its time (RFC 3550, RFC 4733)."""

import asyncio
import struct
import time
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

RATE = 8000
FRAME = 160  # samples of 20 ms
FRAME_S = FRAME / RATE
AUDIO, KEYS = 0, 101  # payload types
AUDIBLE = 500  # amplitude of 16-bit samples


@dataclass(frozen=True)
class Packet:
    """One packet that came in. `at` is the event loop's time."""

    at: float
    kind: int
    payload: bytes


class RtpStream(asyncio.DatagramProtocol):
    """Sends its tone, or nothing, for as long as it is open."""

    def __init__(self) -> None:
        self.received: list[Packet] = []
        self.remote: tuple[str, int] | None = None
        self.tone_hz = 0
        self._sequence = 0
        self._samples = 0

    @classmethod
    async def open(cls) -> Self:
        """On a port of its own, sending once `remote` is known."""
        loop = asyncio.get_running_loop()
        transport, stream = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        stream._transport = transport
        stream._sending = asyncio.create_task(stream._send_frames())
        return stream

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """No more."""
        self._sending.cancel()
        self._transport.close()

    async def press(self, digit: str) -> None:
        """One key for 100 ms: events that grow longer, the end three times."""
        code = "0123456789*#".index(digit)
        started = self._samples
        for index in range(1, 6):
            self._emit(KEYS, struct.pack("!BBH", code, 10, index * FRAME), started, marker=index == 1)
            await asyncio.sleep(FRAME_S)
        for _ in range(3):
            self._emit(KEYS, struct.pack("!BBH", code, 0x80 | 10, 6 * FRAME), started)

    def heard(self, hz: int) -> list[float]:
        """When frames arrived that hold the tone `hz`."""
        return [
            packet.at for packet in self.received if packet.kind == AUDIO and _amplitude(packet.payload, hz) > AUDIBLE
        ]

    def last(self, count: int, hz: int) -> list[bool]:
        """Whether each of the last frames that arrived holds the tone `hz`."""
        frames = [packet for packet in self.received if packet.kind == AUDIO][-count:]
        return [_amplitude(frame.payload, hz) > AUDIBLE for frame in frames]

    def datagram_received(self, data: bytes, _address: Any) -> None:
        """Keep a packet."""
        self.received.append(Packet(time.monotonic(), data[1] & 0x7F, data[12:]))

    async def _send_frames(self) -> None:
        started = time.monotonic()
        while True:
            if self.tone_hz:
                self._emit(AUDIO, _tone(self.tone_hz, self._samples), self._samples)
            self._samples += FRAME
            await asyncio.sleep(max(0.0, started + self._samples / RATE - time.monotonic()))

    def _emit(self, kind: int, payload: bytes, timestamp: int, *, marker: bool = False) -> None:
        self._sequence += 1
        if self.remote is not None:
            marked = kind | 0x80 * marker
            header = struct.pack("!BBHII", 0x80, marked, self._sequence & 0xFFFF, timestamp, id(self) & 0xFFFF)
            self._transport.sendto(header + payload, self.remote)


def _decode_table() -> np.ndarray:
    """G.711: sign, three bits of exponent, four of mantissa, all inverted."""
    codes = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (codes >> 4) & 7, codes & 15
    magnitude = ((mantissa.astype(int) << 3) + 132 << exponent.astype(int)) - 132
    return np.where(codes & 0x80, -magnitude, magnitude)


_LINEAR = _decode_table()
_ORDER = np.argsort(_LINEAR, kind="stable")


def _tone(hz: int, first: int) -> bytes:
    wave = 8000 * np.sin(2 * np.pi * hz * np.arange(first, first + FRAME) / RATE)
    places = np.searchsorted(_LINEAR[_ORDER], wave).clip(0, 255)
    return bytes(_ORDER[places].astype(np.uint8))


def _amplitude(payload: bytes, hz: int) -> float:
    samples = _LINEAR[np.frombuffer(payload, np.uint8)]
    turns = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / RATE)
    return float(2 * abs(np.mean(samples * turns)))
