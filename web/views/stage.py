"""A callback as its owner sees it while it goes on: the steps, what is being waited for, and until when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ari_app.config import Settings
from ari_app.domain.callback import Acceptance, Callback, State
from ari_app.domain.ending import Reason
from web.endings import ending_sentence
from web.language import Language, ending_text, state_text, translate

_TITLES = {State.TALKING: "通話中", State.ENDED: "発信結果"}
_TITLE = "発信中"
_PRESS_1_STEP = "自分が応答（1を押す）"
_SENTENCES = {
    State.ACCEPTED: "発信を受け付けました",
    State.RINGING_AGENT: "あなたの電話 {agent} を呼び出しています",
    State.AGENT_ANSWERED: "応答しました。お客様へ発信します",
    State.RINGING_CUSTOMER: "応答しました。お客様を呼び出しています",
    State.TALKING: "{shown} を通知して通話中",
}
_RINGING_PRESS_1 = "あなたの電話 {agent} を呼び出しています。応答したら「1」を押してください"
_ANSWERED_PRESS_1 = "応答しました。「1」を押すとお客様へ発信します"
_WITHHELD = "非通知で通話中"

TEXTS = (
    *_TITLES.values(), _TITLE, _PRESS_1_STEP, *_SENTENCES.values(), _RINGING_PRESS_1, _ANSWERED_PRESS_1, _WITHHELD,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `status` is done, now, todo or failed; `note` says why it failed."""

    label: str
    status: str
    at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A limit that runs: until when, of how many seconds, and how many are left."""

    until: datetime
    limit_s: float
    left_s: float


@dataclass(frozen=True, slots=True)
class Stage:
    """What the page shows of a callback."""

    call: Callback
    title: str
    sentence: str
    steps: list[Step]
    wait: Wait | None
    talk_s: float | None

    @property
    def good(self) -> bool:
        """Whether the two of them talked."""
        return self.call.reason is Reason.COMPLETED


def stage_of(call: Callback, settings: Settings, language: Language, now: datetime, tel: Any) -> Stage:
    """The stage at `now`; `tel` writes a number for people."""
    return Stage(
        call,
        translate(_TITLES.get(call.state, _TITLE), language),
        _sentence(call, settings, language, tel),
        _steps(call, language),
        _wait(call, settings, now),
        ((call.ended_at or now) - call.talking_at).total_seconds() if call.talking_at else None,
    )


def _sentence(call: Callback, settings: Settings, language: Language, tel: Any) -> str:
    if call.state is State.ENDED:
        return ending_sentence(call, language, ring_agent_s=settings.ring_agent_s)
    text = _SENTENCES[call.state]
    if call.acceptance is Acceptance.PRESS1:
        text = {State.RINGING_AGENT: _RINGING_PRESS_1, State.AGENT_ANSWERED: _ANSWERED_PRESS_1}.get(call.state, text)
    if call.state is State.TALKING and call.withheld:
        text = _WITHHELD
    return translate(text, language, agent=tel(call.agent_number), shown=tel(call.customer_caller_id))


def _steps(call: Callback, language: Language) -> list[Step]:
    """Every step on the way; those that an ended call never came to are left out."""
    times = {
        State.ACCEPTED: call.created_at,
        State.RINGING_AGENT: call.ringing_agent_at,
        State.AGENT_ANSWERED: call.agent_answered_at,
        State.RINGING_CUSTOMER: call.ringing_customer_at,
        State.TALKING: call.talking_at,
        State.ENDED: call.ended_at,
    }
    ended = call.state is State.ENDED
    steps = []
    for state, at in times.items():
        if at is None and ended:
            continue
        label = state_text(state, language)
        if state is State.AGENT_ANSWERED and call.acceptance is Acceptance.PRESS1:
            label = translate(_PRESS_1_STEP, language)
        failed = state is State.ENDED and call.reason is not Reason.COMPLETED
        if at is None:
            status = "todo"
        else:
            status = "failed" if failed else "now" if state is call.state and not ended else "done"
        steps.append(Step(label, status, at, ending_text(call, language) if failed else None))
    return steps


def _wait(call: Callback, settings: Settings, now: datetime) -> Wait | None:
    since, limit = {
        State.RINGING_AGENT: (call.ringing_agent_at, settings.ring_agent_s),
        State.AGENT_ANSWERED: (
            call.agent_answered_at if call.acceptance is Acceptance.PRESS1 else None,
            settings.accept_s,
        ),
        State.RINGING_CUSTOMER: (call.ringing_customer_at, settings.ring_customer_s),
    }.get(call.state, (None, 0.0))
    if since is None:
        return None
    until = since + timedelta(seconds=limit)
    return Wait(until, limit, min(limit, max(0.0, (until - now).total_seconds())))
