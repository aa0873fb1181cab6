"""argparse, with a suggestion for an option that does not exist."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

_UNKNOWN = "unrecognized arguments: "


class CommandParser(argparse.ArgumentParser):
    """What every command is read by. `known_elsewhere`: options that other servers have, and what is written here, ""
    for nothing of the kind.
    """

    def __init__(self, *arguments: Any, known_elsewhere: Mapping[str, str] | None = None, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._known_elsewhere = known_elsewhere or {}

    def parse_known_args(  # type: ignore[override]  # argparse's has overloads
        self, args: Sequence[str], namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse has it; but what is known elsewhere is no abbreviation of an option of ours."""
        foreign = [name for word in args if (name := word.partition("=")[0]) in self._known_elsewhere]
        if foreign:
            self.error(_UNKNOWN + " ".join(foreign))
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 after the usage and the message, which says what may be meant."""
        if message.startswith(_UNKNOWN):
            words = message.removeprefix(_UNKNOWN).split()
            message += suggestion(words, self._option_string_actions, self._known_elsewhere)
        super().error(message)


def suggestion(words: Iterable[str], options: Iterable[str], known_elsewhere: Mapping[str, str]) -> str:
    """Return what may be meant by the options among these words, as in ": did you mean --workers?", or ""."""
    # Imported here: a command line without a mistake should not wait for it.
    from difflib import get_close_matches

    there = [option for option in options if option.startswith("--")]
    meant: list[str] = []
    for word in words:
        name = word.partition("=")[0]
        if name in known_elsewhere:
            meant += filter(None, [known_elsewhere[name]])
        elif name.startswith("--"):
            meant += get_close_matches(name, there, n=1, cutoff=0.75)
    return f": did you mean {', '.join(meant)}?" if meant else ""
