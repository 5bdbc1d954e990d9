"""A SIP message as far as a test needs it: start line, headers, body (RFC 3261)."""

import re
from dataclasses import dataclass, field
from typing import Self

_COMPACT = {
    "i": "call-id",
    "f": "from",
    "t": "to",
    "v": "via",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
}


@dataclass
class SipMessage:
    """A request or a response."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a datagram."""
        head, _, body = data.decode().partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return cls(start, headers, body)

    def encode(self) -> bytes:
        """As a datagram, Content-Length included."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join([*lines, f"Content-Length: {len(self.body)}"]) + "\r\n\r\n" + self.body).encode()

    def __getitem__(self, name: str) -> str:
        """The first header of that name, empty where there is none."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """Every header of that name."""
        return [value for key, value in self.headers if _COMPACT.get(key.lower(), key.lower()) == name.lower()]

    @property
    def method(self) -> str:
        """The request's method, or that of the request a response answers."""
        return self["CSeq"].split()[1] if self.status else self.start.split()[0]

    @property
    def status(self) -> int | None:
        """A response's status, None for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else None

    @property
    def target(self) -> str:
        """The user part of a request's URI, empty for a response."""
        found = re.match(r"\w+ sips?:([^@;]*)@", self.start)
        return found[1] if found and not self.status else ""

    @property
    def sequence(self) -> int:
        """CSeq's number."""
        return int(self["CSeq"].split()[0])

    @property
    def rtp_address(self) -> tuple[str, int]:
        """Where the body's SDP wants audio."""
        host = re.search(r"^c=IN IP4 (\S+)", self.body, re.M)
        port = re.search(r"^m=audio (\d+)", self.body, re.M)
        assert host and port, self.body
        return host[1], int(port[1])
