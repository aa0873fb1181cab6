"""The environment of generation 1, which every generation starts with: what the operator gave, whatever the program has
changed since."""

from __future__ import annotations

import os
from collections.abc import Mapping

#: Belongs to one process or one hand-over, so a successor must not inherit it.
_NOT_PASSED = (
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "SERVER_STARTER_PORT",
    "SERVER_STARTER_GENERATION",
)


def first_environ(own: Mapping[str, str], before: Mapping[str, str | None], variable: str) -> dict[str, str]:
    """The environment of generation 1, out of `own`, the one this process was started with.

    `before` undoes what `env_file` and `envdir` changed; `variable` (the handoff) and what belongs to one start are
    left out.
    """
    environ = dict(own)
    for name, value in before.items():
        environ.pop(name, None)
        if value is not None:
            environ[name] = value
    for name in (*_NOT_PASSED, variable):
        environ.pop(name, None)
    return environ


def own_environ() -> Mapping[str, str]:
    """The environment this process was started with, read from proc(5): `os.environ` may have changed since."""
    try:
        # No Path: its module costs 3 ms at every start.
        with open("/proc/self/environ", "rb") as file:
            blob = file.read()
    except OSError:
        # No proc mounted: os.environ is the best there is, less whatever was changed before this import.
        return os.environ
    items = blob.removesuffix(b"\0").split(b"\0") if blob else []
    if not all(b"=" in item for item in items):
        # The program has set its title before this import, and setproctitle writes over this very memory.
        return os.environ
    pairs = (os.fsdecode(item).partition("=") for item in items)
    return {name: value for name, _, value in pairs}
