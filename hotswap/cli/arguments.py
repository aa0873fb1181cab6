"""Makes the parser of a command: each has a description and `add_arguments`, which shell completion reads as well. And
what argparse calls for an argument that several commands take."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from hotswap.settings.command_parser import CommandParser


def parser(command: str, description: str, add: Callable[[argparse.ArgumentParser], object]) -> CommandParser:
    """Return the parser of `hotswap COMMAND`, whose arguments `add` adds."""
    made = CommandParser(prog=f"hotswap {command}", description=description)
    add(made)
    return made


def seconds_between(least: float, most: float) -> Callable[[str], float]:
    """Return what argparse calls for a number of seconds within these limits."""

    def seconds(text: str) -> float:
        number = float(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least:g} and {most:g} seconds")
        return number

    return seconds
