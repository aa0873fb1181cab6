"""A setting's help in plain words: gunicorn writes descriptions in reStructuredText, for its documentation. Pure."""

from __future__ import annotations

import re
from enum import Enum

_MARKUP = re.compile(
    r":[\w-]+:`(?P<role>[^`<]*?)(?:\s*<[^`>]*>)?`"  # :ref:`text <target>`
    r"|``(?P<literal>.+?)``"
    r"|`(?P<link>[^`<]+?)(?:\s*<[^`>]*>)?`_{0,2}"
    r"|\*\*(?P<strong>[^*]+)\*\*"
    r"|(?<![\w*])\*(?P<emphasis>[^\s*](?:[^*]*[^\s*])?)\*(?![\w*])"
)
# A full stop ends a sentence where a new one begins behind it, or an example, or nothing.
_SENTENCE = re.compile(r"(.+?[.!?])(?=\s+(?:[^\sa-z]|e\.g\.|i\.e\.)|\s*$)")


def plain(text: str) -> str:
    """Return the text without markup."""
    return _MARKUP.sub(lambda found: next(group for group in found.groups() if group is not None), text)


def first_sentence(description: str) -> str:
    """Return the first sentence of a description, whole, on one line and without markup."""
    paragraph = " ".join(plain(description.strip().partition("\n\n")[0]).split())
    found = _SENTENCE.match(paragraph)
    sentence = found[1] if found is not None else paragraph
    return sentence if sentence.endswith((".", "!", "?")) or not sentence else f"{sentence}."


def default_words(default: object) -> str:
    """Return what stands for a default in help; "" for one that says nothing: none, an empty one, off."""
    if default is None or default is False or default == "" or default == [] or isinstance(default, Enum):
        return ""
    if default is True:
        return "on"
    if isinstance(default, (list, tuple)):
        return ", ".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default)
