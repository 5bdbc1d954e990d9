"""The help texts in the user's language: written in Japanese beside each command, English in web/locale."""

import inspect
from collections.abc import Iterator
from typing import Any

from web.language import Language, translate


def translate_help(command: Any, language: Language) -> None:
    """Put the help of a command (click's, wherever typer keeps it) and of all under it into the language."""
    for text, holder in _texts(command):
        holder.help = translate(text, language)


def help_texts(command: Any) -> list[str]:
    """Every help text under a command, in the source language."""
    return [text for text, _ in _texts(command)]


def _texts(command: Any) -> Iterator[tuple[str, Any]]:
    if command.help:
        yield inspect.cleandoc(command.help), command
    for parameter in command.params:
        if parameter.name != "help" and (text := getattr(parameter, "help", None)):
            yield text, parameter
    for child in getattr(command, "commands", {}).values():
        yield from _texts(child)
