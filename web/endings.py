"""How a callback ended, as a sentence for the one who placed it: what happened, and what helps."""

from ari_app.domain.callback import Callback, Result
from ari_app.domain.ending import Party, Reason
from web.language import Language, translate

_AGENT = {
    Reason.NO_ANSWER: "自身の電話が{seconds}秒以内に応答しなかったため、お客様には発信していません",
    Reason.BUSY: "自身の電話が話中でした。電話を切ってからもう一度発信してください",
    Reason.DECLINED: "自身の電話で着信が拒否されました。もう一度発信し、着信に応答してください",
    Reason.UNREACHABLE: "自身の電話が圏外か、電源が入っていません",
    Reason.WRONG_NUMBER: "自身の電話番号は使われていません。システム管理者に登録の確認を依頼してください",
    Reason.NO_DIGIT: "「1」が押されなかったため、お客様には発信していません",
    Reason.NO_CHANNEL: "回線が混み合っています。しばらくしてからもう一度発信してください",
}
_CUSTOMER = {
    Reason.NO_ANSWER: "お客様が応答しませんでした",
    Reason.BUSY: "お客様は話中でした。時間をおいてもう一度発信してください",
    Reason.DECLINED: "お客様が着信を拒否しました",
    Reason.UNREACHABLE: "お客様の電話が圏外か、電源が入っていません",
    Reason.WRONG_NUMBER: "お客様の電話番号は使われていません。番号を確認してください",
    Reason.NO_CHANNEL: "回線が混み合っています。しばらくしてからもう一度発信してください",
}
_EITHER = {
    Reason.CANCELLED: "発信をキャンセルしました",
    Reason.FAILED: "システムエラーのため終了しました。続く場合はシステム管理者に連絡してください",
    Reason.INTERRUPTED: "システムが停止したため中断しました。もう一度発信してください",
}
_COMPLETED = {
    Party.AGENT: "自身が電話を切って終了しました",
    Party.CUSTOMER: "お客様が電話を切って終了しました",
    Party.SYSTEM: "システムが通話を終了しました",
}
_CUT_BY_ADMIN = "システム管理者が切断しました"

SENTENCES = (*_AGENT.values(), *_CUSTOMER.values(), *_EITHER.values(), *_COMPLETED.values(), _CUT_BY_ADMIN)


def ending_sentence(call: Callback, language: Language, *, ring_agent_s: float) -> str:
    """The sentence of an ended callback."""
    return translate(_sentence(call), language, seconds=f"{ring_agent_s:g}")


def _sentence(call: Callback) -> str:
    assert call.reason is not None and call.ended_by is not None
    if call.ended_by is Party.ADMIN:
        return _CUT_BY_ADMIN
    if call.reason is Reason.COMPLETED:
        return _COMPLETED[call.ended_by]
    of_the_phone = _CUSTOMER if call.result is Result.AGENT_ANSWERED else _AGENT
    return _EITHER.get(call.reason) or of_the_phone.get(call.reason, _EITHER[Reason.FAILED])
