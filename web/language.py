"""The two languages. Japanese texts are the source and the keys; English is looked up in web/locale.

The labels of states, results, reasons and the like are here, for the panel, the API and the CLI alike.
"""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

from ari_app.domain.account import Role
from ari_app.domain.callback import Callback, Result, State
from ari_app.domain.ending import Disposition, Party, Reason
from ari_app.domain.leg import Role as LegRole
from ari_app.domain.numbers import format_national
from ari_app.errors import KakehashiError

_LOCALE = Path(__file__).parent / "locale"


class Language(StrEnum):
    """What the product speaks; the first is the default."""

    JA = "ja"
    EN = "en"


STATE_LABELS = {
    State.ACCEPTED: "発信受付",
    State.RINGING_AGENT: "自分を呼出中",
    State.AGENT_ANSWERED: "自分が応答",
    State.RINGING_CUSTOMER: "相手を呼出中",
    State.TALKING: "通話中",
    State.ENDED: "終了",
}
RESULT_LABELS = {
    Result.AGENT_ANSWERED: "発信元応答",
    Result.AGENT_NOT_ANSWERED: "発信元不応答",
}
REASON_LABELS = {
    Reason.NO_ANSWER: "未応答",
    Reason.BUSY: "話中",
    Reason.DECLINED: "拒否",
    Reason.UNREACHABLE: "圏外",
    Reason.WRONG_NUMBER: "番号誤り",
    Reason.NO_DIGIT: "1を押さず",
    Reason.CANCELLED: "取消",
    Reason.NO_CHANNEL: "回線なし",
    Reason.FAILED: "システムエラー",
    Reason.INTERRUPTED: "中断",
    Reason.COMPLETED: "完了",
}
PARTY_LABELS = {
    Party.AGENT: "エージェント",
    Party.CUSTOMER: "お客様",
    Party.SYSTEM: "システム",
    Party.ADMIN: "システム管理者",
}
ROLE_LABELS = {
    Role.ADMIN: "システム管理者",
    Role.SUPERVISOR: "スーパバイザ",
    Role.USER: "ユーザ",
}
DISPOSITION_LABELS = {
    Disposition.ANSWERED: "応答",
    Disposition.NO_ANSWER: "応答なし",
    Disposition.BUSY: "話中",
    Disposition.FAILED: "失敗",
    Disposition.CONGESTION: "回線なし",
    Disposition.CANCEL: "取消",
}
LEG_LABELS = {
    LegRole.AGENT: "1stコール",
    LegRole.CUSTOMER: "2ndコール",
}
CUSTOMER_REASON = "お客様 {reason}"

_OF_ONE_PHONE = frozenset(
    {Reason.NO_ANSWER, Reason.BUSY, Reason.DECLINED, Reason.UNREACHABLE, Reason.WRONG_NUMBER, Reason.NO_CHANNEL}
)


def translate(text: str, language: Language, /, **facts: Any) -> str:
    """The source text in the language, `{name}` places filled from `facts`; as it is where nobody translated it."""
    words = _catalogue(language).get(text, text)
    return words.format(**facts) if facts else words


def error_text(error: KakehashiError, language: Language) -> str:
    """What went wrong and what helps, for a user."""
    facts = dict(error.facts)
    if "number" in facts:
        facts["number"] = format_national(facts["number"])
    return translate(error.message, language, **facts)


def state_text(state: State, language: Language) -> str:
    """The step of a callback."""
    return translate(STATE_LABELS[state], language)


def result_text(result: Result, language: Language) -> str:
    """発信結果."""
    return translate(RESULT_LABELS[result], language)


def reason_text(reason: Reason, language: Language) -> str:
    """Why a call ended, in a word."""
    return translate(REASON_LABELS[reason], language)


def ending_text(call: Callback, language: Language) -> str | None:
    """How a callback ended, naming the customer where it was their phone's doing; None while it goes on.

    Once the agent has accepted, a phone that is busy or silent is the customer's.
    """
    if call.reason is None:
        return None
    words = reason_text(call.reason, language)
    if call.result is Result.AGENT_ANSWERED and call.reason in _OF_ONE_PHONE:
        return translate(CUSTOMER_REASON, language, reason=words)
    return words


def preferred_language(*wishes: str | None, accept: str = "") -> Language:
    """The first of the wishes that is a language here, then what `accept` (Accept-Language) likes best."""
    for wish in [*wishes, *_accepted(accept)]:
        if wish and (known := wish.split("-")[0].strip().lower()) in list(Language):
            return Language(known)
    return Language.JA


@cache
def _catalogue(language: Language) -> dict[str, str]:
    if language is Language.JA:
        return {}
    with (_LOCALE / language / "LC_MESSAGES" / "kakehashi.po").open("rb") as file:
        messages = read_po(file, locale=language.value, abort_invalid=True)
    return {str(message.id): str(message.string) for message in messages if message.id and message.string}


def _accepted(header: str) -> list[str]:
    """The tags of an Accept-Language header (RFC 9110, 12.5.4), best first."""
    weighed = []
    for part in header.split(","):
        tag, _, parameter = part.partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        weighed.append((weight, tag))
    return [tag for weight, tag in sorted(weighed, key=lambda entry: -entry[0]) if weight > 0]
