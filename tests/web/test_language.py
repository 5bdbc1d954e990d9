"""Every text that a user can meet has its English."""

import ast
import re
from pathlib import Path

import jinja2
import jinja2.ext
import pytest

from ari_app import errors
from ari_app.errors import KakehashiError
from web import endings, language, middlewares
from web.language import Language, error_text, preferred_language, translate
from web.rendering import WEB
from web.views import listing, stage

JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
PLACE = re.compile(r"\{(\w+)[^}]*\}")


def error_messages() -> set[str]:
    """The messages of the whole error family."""
    family = [KakehashiError]
    for error in family:
        family.extend(error.__subclasses__())
    return {error().message for error in family if error.__module__ == errors.__name__}


def label_texts() -> set[str]:
    """The labels and sentences kept in tables."""
    tables = [value for name, value in vars(language).items() if name.endswith("_LABELS")]
    texts = {text for table in tables for text in table.values()}
    texts |= {language.CUSTOMER_REASON, *endings.SENTENCES, *stage.TEXTS, *listing.PRESETS.values()}
    return texts | {*middlewares._HTTP_TEXTS.values(), middlewares._HTTP_TEXT, middlewares._BROKEN_TEXT}


def template_texts() -> set[str]:
    """What the templates translate."""
    environment = jinja2.Environment(autoescape=True)
    texts = set()
    for template in (WEB / "templates").rglob("*.html"):
        for _, _, message in jinja2.ext.extract_from_ast(environment.parse(template.read_text()), ("_",)):
            parts = (message,) if isinstance(message, str) else message or ()
            texts |= {part for part in parts if part}
    return texts


def code_texts() -> set[str]:
    """What the code translates where it stands."""
    texts = set()
    for file in [*WEB.rglob("*.py"), *(WEB.parent / "ari_app").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "translate" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    texts.add(first.value)
    return texts


ALL_TEXTS = sorted(error_messages() | label_texts() | template_texts() | code_texts())


def test_there_is_something_to_translate() -> None:
    assert len(template_texts()) > 80
    assert len(error_messages()) > 30


@pytest.mark.parametrize("text", ALL_TEXTS)
def test_english_is_there_and_names_the_same_facts(text: str) -> None:
    english = translate(text, Language.EN)
    if JAPANESE.search(text):
        assert english != text, "no English text"
        assert not JAPANESE.search(english)
    assert set(PLACE.findall(english)) == set(PLACE.findall(text))


def test_no_template_holds_untranslated_japanese() -> None:
    marked = re.compile(r"_\((?:\"[^\"]*\"|name)|\{#.*?#\}", re.DOTALL)
    for template in (WEB / "templates").rglob("*.html"):
        rest = marked.sub("", template.read_text())
        # The mark of the product, the name of the language itself, and full-width punctuation.
        rest = rest.replace("架", "").replace("日本語", "")
        assert not JAPANESE.search(rest), template


def test_no_text_is_kept_that_nobody_uses() -> None:
    kept = set(language._catalogue(Language.EN))
    elsewhere = "\n".join(
        file.read_text() for folder in ("web", "ari_app") for file in (Path(WEB.parent) / folder).rglob("*.py")
    )
    assert not {text for text in kept - set(ALL_TEXTS) if text not in elsewhere}


@pytest.mark.parametrize(
    ("wishes", "accept", "chosen"),
    [
        ((None, None), "", Language.JA),
        (("en", "ja"), "ja", Language.EN),
        ((None, "xx"), "en-US,en;q=0.9,ja;q=0.8", Language.EN),
        ((None, None), "fr, ja;q=0.5, en;q=0.7", Language.EN),
        ((None, None), "en;q=0, ja", Language.JA),
        ((None, None), "en;q=none,,;;", Language.JA),
    ],
)
def test_the_language_of_a_request(wishes: tuple[str | None, ...], accept: str, chosen: Language) -> None:
    assert preferred_language(*wishes, accept=accept) is chosen


def test_an_error_speaks_both_languages() -> None:
    error = errors.NumberLengthError(field="customer_number", minimum=9, maximum=30)
    assert error_text(error, Language.JA) == "電話番号は9〜30桁で入力してください"
    assert "9" in error_text(error, Language.EN)
