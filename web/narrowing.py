"""絞り込み: the typed words that narrow a list, as its store reads them."""

import re
import unicodedata

from ari_app.domain.callback import Result
from ari_app.domain.ending import Reason
from db.callback_search import SearchWord
from web.language import Language, reason_text, result_text

WORDS_MAX = 10


def search_words(text: str, language: Language) -> tuple[SearchWord, ...]:
    """Words separated by spaces, half or full width; numbers with or without hyphens, labels in the user's language."""
    words = unicodedata.normalize("NFKC", text).split()[:WORDS_MAX]
    return tuple(_word(word, language) for word in words)


def _word(word: str, language: Language) -> SearchWord:
    digits = re.sub(r"[-‐−ー()]", "", word)
    return SearchWord(
        digits if digits.isdigit() else word,
        tuple(result for result in Result if word.lower() in result_text(result, language).lower()),
        tuple(reason for reason in Reason if word.lower() in reason_text(reason, language).lower()),
    )
