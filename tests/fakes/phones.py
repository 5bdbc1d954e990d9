"""The channels of the scripted Asterisk, and the phones at their other end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tests.fakes.asterisk import Asterisk

# SIP status → Q.850 cause, as chan_pjsip maps them.
CAUSES = {404: 1, 486: 17, 600: 17, 408: 18, 480: 19, 603: 21, 403: 21, 410: 22, 484: 28, 503: 34, 500: 38, 487: 127}
TEXTS = {
    0: "Unknown",
    1: "Unallocated (unassigned) number",
    16: "Normal Clearing",
    17: "User busy",
    18: "No user responding",
    19: "User alerting, no answer",
    21: "Call Rejected",
    22: "Number changed",
    28: "Invalid number format",
    34: "Circuit/channel congestion",
    38: "Network out of order",
    127: "Interworking, unspecified",
}
NORMAL = 16
SOFT_HANGUP = 32


@dataclass
class FakeChannel:
    """One channel; `variables` are those it was created with, `state` is Asterisk's word."""

    asterisk: "Asterisk"
    id: str
    name: str
    number: str
    variables: dict[str, str]
    state: str = "Down"
    in_stasis: bool = False
    dial_timeout_s: int | None = None
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def snapshot(self) -> dict[str, Any]:
        """As ARI shows it."""
        shown = {"name": "", "number": self.variables.get("CONNECTEDLINE(num,i)", "")}
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "protocol_id": f"sip-{self.id}",
            "caller": {"name": "", "number": self.variables.get("CALLERID(num)", "")},
            "connected": shown,
            "accountcode": "",
            "dialplan": {
                "context": "from-trunk",
                "exten": "s",
                "priority": 1,
                "app_name": "Stasis",
                "app_data": "kakehashi",
            },
            "creationtime": ari_time(self.created_at),
            "language": self.variables.get("CHANNEL(language)", "en"),
        }

    def enter_stasis(self) -> None:
        """Come under the application's control."""
        self.in_stasis = True
        self.asterisk.emit("StasisStart", args=[], channel=self.snapshot())

    def change(self, state: str) -> None:
        """Change state, and tell."""
        self.state = state
        self.asterisk.emit("ChannelStateChange", channel=self.snapshot())

    def dialling(self, dialstatus: str, dialstring: str = "") -> None:
        """Tell how dialling goes on."""
        self.asterisk.emit("Dial", dialstatus=dialstatus, forward="", dialstring=dialstring, peer=self.snapshot())

    def end(self, cause: int, tech_cause: int | None = None, *, soft: bool = False, tell: bool = True) -> None:
        """Be gone: out of its bridge, out of Stasis, destroyed. With `tell` False its end is told later."""
        self.asterisk.forget(self)
        tech = {} if tech_cause is None else {"tech_cause": tech_cause}
        request = {"cause": SOFT_HANGUP, "soft": True} if soft else {"cause": cause, **tech}
        self.asterisk.emit("ChannelHangupRequest", channel=self.snapshot(), **request)
        if self.in_stasis:
            self.asterisk.emit("StasisEnd", channel=self.snapshot())
        last = {"cause": cause, "cause_txt": TEXTS[cause], **tech, "channel": self.snapshot()}
        if tell:
            self.asterisk.emit("ChannelDestroyed", **last)
        else:
            self.asterisk.emit_late("ChannelDestroyed", **last)


class Phone:
    """What a phone does, in words; done at once when it is being called, otherwise as soon as it is.

    `until` and `hears` make the words after them wait.
    """

    def __init__(self, asterisk: "Asterisk", number: str) -> None:
        self.number = number
        self.refused: tuple[int, str] | None = None
        self.never_starts = False
        self._asterisk = asterisk
        self._channel: FakeChannel | None = None
        self._steps: list[Callable[[], bool]] = []
        self._busy = False

    def does(self, words: str) -> Self:
        """A script: `"rings, answers, hears press-1, presses 1, until talking, hangs up"`."""
        for step in filter(None, (part.strip() for part in words.split(","))):
            verb, _, rest = step.partition(" ")
            if step in ("hangs up", "slips away"):
                verb, rest = step.replace(" ", "_"), ""
            getattr(self, verb)(*([rest] if rest else []))
        return self

    def rings(self) -> Self:
        """180."""
        return self._then(self._ring)

    def progresses(self) -> Self:
        """183: the network talks; the channel stays Down."""
        return self._then(self._act("progresses", self._progress))

    def answers(self) -> Self:
        """200."""
        return self._then(self._answer)

    def declines(self, status: str | int) -> Self:
        """A final SIP status."""
        code = int(status)
        return self._then(self._act(f"declines {code}", lambda channel: channel.end(CAUSES[code], code)))

    def hangs_up(self) -> Self:
        """BYE."""
        return self._then(self._act("hangs up", lambda channel: channel.end(NORMAL)))

    def slips_away(self) -> Self:
        """BYE, but requests find the channel gone before its end is told (seen 2 times in 5 on 22.10.1)."""
        return self._then(self._act("slips away", lambda channel: channel.end(NORMAL, tell=False)))

    def presses(self, digits: str) -> Self:
        """Keys, one after another."""
        return self._then(self._act(f"presses {digits}", lambda channel: self._press(channel, digits)))

    def hears(self, prompt: str) -> Self:
        """Wait for a prompt."""
        return self.until(f"play {prompt} to {self.number}")

    def until(self, line: str) -> Self:
        """Wait until the story has a line."""
        return self._then(lambda: line in self._asterisk.story)

    # For the switch

    def called(self, channel: FakeChannel) -> None:
        """The phone is dialled."""
        self._channel = channel
        self._asterisk.note(f"{self.number} dialled")
        self.go_on()

    def go_on(self) -> None:
        """Do what can be done now."""
        if self._busy:
            return
        self._busy = True
        try:
            while self._steps and self._being_called() and self._steps[0]():
                self._steps.pop(0)
        finally:
            self._busy = False

    def _being_called(self) -> bool:
        return self._channel is not None and self._channel.id in self._asterisk.channels

    def _then(self, step: Callable[[], bool]) -> Self:
        self._steps.append(step)
        self.go_on()
        return self

    def _act(self, words: str, act: Callable[[FakeChannel], None]) -> Callable[[], bool]:
        def step() -> bool:
            if self._channel is not None:
                act(self._channel)
                self._asterisk.note(f"{self.number} {words}")
            return True

        return step

    def _progress(self, channel: FakeChannel) -> None:
        if channel.state != "Up":
            channel.dialling("PROGRESS")

    def _ring(self) -> bool:
        def ring(channel: FakeChannel) -> None:
            if channel.state != "Down":
                return
            # 22.10.1 sends these two in either order.
            channel.dialling("RINGING")
            channel.change("Ringing")

        return self._act("rings", ring)()

    def _answer(self) -> bool:
        def answer(channel: FakeChannel) -> None:
            if channel.state == "Up":
                return
            channel.change("Up")
            channel.dialling("ANSWER")

        return self._act("answers", answer)()

    def _press(self, channel: FakeChannel, digits: str) -> None:
        for digit in digits:
            self._asterisk.emit("ChannelDtmfReceived", digit=digit, duration_ms=100, channel=channel.snapshot())


def ari_time(moment: datetime) -> str:
    """As ARI writes times."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}{moment:%z}"
