"""The help texts in the user's language: Japanese beside each command, English in web/locale, line by line."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from web.language import Language, translate

_LEAD = re.compile(r"\s*(?:…\d+\s+)?")  # indentation, and the mark of an item of a list


def translate_help(command: Any, language: Language) -> None:
    """Put the help of a command (click's, wherever typer keeps it) and of all under it into the language."""
    for holder in _holders(command):
        lines = map(_split, inspect.cleandoc(holder.help).split("\n"))
        holder.help = "\n".join(lead + translate(text, language) for lead, text in lines)


def help_texts(command: Any) -> list[str]:
    """Every line of help under a command, in the source language."""
    lines = (_split(line)[1].strip() for holder in _holders(command) for line in holder.help.split("\n"))
    return [line for line in lines if line]


def _holders(command: Any) -> Iterator[Any]:
    """The command, its parameters and its subcommands, those that have help of ours."""
    if command.help:
        yield command
    for parameter in command.params:
        if parameter.name != "help" and getattr(parameter, "help", None):
            yield parameter
    for child in getattr(command, "commands", {}).values():
        yield from _holders(child)


def _split(line: str) -> tuple[str, str]:
    lead = _LEAD.match(line)
    end = lead.end() if lead else 0
    return line[:end], line[end:]
