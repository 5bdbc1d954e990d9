"""Conditions of コールバック発信結果, as SQL."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_

from ari_app.domain.callback import Result
from ari_app.domain.ending import Reason
from ari_app.domain.schedule import ALWAYS, Period
from db.paging import contains, prefix_range
from db.tables import callback


@dataclass(frozen=True, slots=True)
class CallbackSearch:
    """Conditions of コールバック発信結果; `customer_number` matches from its beginning.

    `words` narrow (絞り込み): all must match, each as part of a number or login, or by its `results` and `reasons`.
    """

    period: Period = ALWAYS
    caller_id: str | None = None
    customer_number: str | None = None
    result: Result | None = None
    words: tuple["SearchWord", ...] = ()


@dataclass(frozen=True, slots=True)
class SearchWord:
    """One word of 絞り込み, and the results and reasons whose label in the user's language holds it."""

    text: str
    results: tuple[Result, ...] = ()
    reasons: tuple[Reason, ...] = ()


def conditions_of(search: CallbackSearch) -> list[ColumnElement[bool]]:
    """What must hold of a row to be found."""
    where: list[ColumnElement[bool]] = []
    if search.period.start:
        where.append(callback.c.created_at >= search.period.start)
    if search.period.end:
        where.append(callback.c.created_at < search.period.end)
    if search.caller_id:
        where.append(callback.c.caller_id == search.caller_id)
    if search.customer_number:
        where.append(prefix_range(callback.c.customer_number, search.customer_number))
    if search.result:
        where.append(callback.c.result == search.result)
    return where


def narrowed_by(word: SearchWord) -> ColumnElement[bool]:
    """What must hold of a found row to hold the word."""
    return or_(
        contains(callback.c.caller_id, word.text),
        contains(callback.c.agent_number, word.text),
        contains(callback.c.customer_number, word.text),
        contains(callback.c.login, word.text),
        callback.c.result.in_(word.results),
        callback.c.reason.in_(word.reasons),
    )
