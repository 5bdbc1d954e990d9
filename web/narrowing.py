"""絞り込み: the typed words that narrow a list, as its store reads them."""

import unicodedata

from ari_app.domain.callback import Result
from ari_app.domain.ending import Reason
from db.callback_search import SearchWord
from web.language import Language, reason_text, result_text

WORDS_MAX = 10


def search_words(text: str, language: Language) -> tuple[SearchWord, ...]:
    """Words separated by spaces, half or full width; numbers with or without hyphens, labels in the user's language."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(character if character.isprintable() else " " for character in folded).split()
    return tuple(_word(word, language) for word in words[:WORDS_MAX])


def _word(word: str, language: Language) -> SearchWord:
    digits = word.replace("-", "")
    return SearchWord(
        digits if digits.isdigit() else word,
        tuple(result for result in Result if word in result_text(result, language).casefold()),
        tuple(reason for reason in Reason if word in reason_text(reason, language).casefold()),
    )
