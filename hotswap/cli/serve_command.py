"""Which command starts the server: `hotswap run`, or one of a framework that does the same for its own application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class ServeCommand(NamedTuple):
    """What is particular to a command. All of them take the options of `hotswap run`.

    prog: what the user types before the options. application: what is served if none is named, "" for none. load:
    returns the application of that name, and raises BootError; None for what `hotswap run` does with `module:app`.
    """

    prog: str
    application: str = ""
    load: Callable[[str], Callable[..., Any]] | None = None


HOTSWAP_RUN = ServeCommand("hotswap run")
