"""The ARI events this application reads, typed. Unknown events and unknown fields are passed over."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class AriEvent:
    """Any event. `at` is Asterisk's clock, UTC; `channel_id` the channel it is about."""

    at: datetime
    channel_id: str

    type: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class StasisStart(AriEvent):
    """A channel came under our control; `args` are the dialplan's, for a call that came in."""

    name: str
    args: tuple[str, ...] = ()
    type: ClassVar[str] = "StasisStart"


@dataclass(frozen=True, slots=True)
class ChannelStateChange(AriEvent):
    """A channel's state changed: Down, Ring, Ringing, Up."""

    name: str
    state: str
    type: ClassVar[str] = "ChannelStateChange"


@dataclass(frozen=True, slots=True)
class Dial(AriEvent):
    """Dialling goes on: `dialstatus` empty (sent), RINGING, PROGRESS (early media), …"""

    dialstatus: str
    type: ClassVar[str] = "Dial"


@dataclass(frozen=True, slots=True)
class ChannelDtmfReceived(AriEvent):
    """A key was pressed."""

    digit: str
    type: ClassVar[str] = "ChannelDtmfReceived"


@dataclass(frozen=True, slots=True)
class PlaybackFinished(AriEvent):
    """A prompt was played on the channel, or could not be."""

    type: ClassVar[str] = "PlaybackFinished"


@dataclass(frozen=True, slots=True)
class ChannelDestroyed(AriEvent):
    """A channel is gone. `cause` is Q.850, `tech_cause` the SIP status behind it or None."""

    cause: int
    cause_text: str
    tech_cause: int | None
    type: ClassVar[str] = "ChannelDestroyed"


@dataclass(frozen=True, slots=True)
class ApplicationReplaced(AriEvent):
    """Another client took our application's name."""

    type: ClassVar[str] = "ApplicationReplaced"


READ = (
    StasisStart,
    ChannelStateChange,
    Dial,
    ChannelDtmfReceived,
    PlaybackFinished,
    ChannelDestroyed,
    ApplicationReplaced,
)


def parse(message: dict[str, Any]) -> AriEvent | None:
    """A typed event, or None for one nobody here reads."""
    reader = _READERS.get(message.get("type", ""))
    return reader(message) if reader else None


def parse_time(text: str | None) -> datetime:
    """ARI's `2026-11-21T10:45:02.123+0900` as UTC; the present moment where there is none."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else datetime.now(UTC)


def _at(message: dict[str, Any]) -> datetime:
    return parse_time(message.get("timestamp"))


def _stasis_start(message: dict[str, Any]) -> AriEvent:
    channel = message["channel"]
    return StasisStart(_at(message), channel["id"], channel["name"], tuple(message.get("args") or ()))


def _state_change(message: dict[str, Any]) -> AriEvent:
    channel = message["channel"]
    return ChannelStateChange(_at(message), channel["id"], channel["name"], channel["state"])


def _dial(message: dict[str, Any]) -> AriEvent:
    return Dial(_at(message), message["peer"]["id"], message.get("dialstatus", ""))


def _dtmf(message: dict[str, Any]) -> AriEvent:
    return ChannelDtmfReceived(_at(message), message["channel"]["id"], message["digit"])


def _played(message: dict[str, Any]) -> AriEvent:
    return PlaybackFinished(_at(message), message["playback"]["target_uri"].removeprefix("channel:"))


def _destroyed(message: dict[str, Any]) -> AriEvent:
    return ChannelDestroyed(
        _at(message),
        message["channel"]["id"],
        message["cause"],
        message.get("cause_txt", ""),
        message.get("tech_cause"),
    )


def _replaced(message: dict[str, Any]) -> AriEvent:
    return ApplicationReplaced(_at(message), "")


_READERS = {
    "StasisStart": _stasis_start,
    "ChannelStateChange": _state_change,
    "Dial": _dial,
    "ChannelDtmfReceived": _dtmf,
    "PlaybackFinished": _played,
    "ChannelDestroyed": _destroyed,
    "ApplicationReplaced": _replaced,
}
