"""A directory of environment variables, a file for each, as daemontools' envdir and Server::Starter have it."""

from __future__ import annotations

import os

from hotswap.errors import SettingError


def read_envdir(path: str) -> dict[str, str]:
    """Return a variable for each file of a directory: its first line, as Server::Starter reads its envdir.

    Files whose name begins with a dot or has a "=", empty files and directories are left out. Raises SettingError.
    """
    found: dict[str, str] = {}
    try:
        for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
            if not entry.name.startswith(".") and "=" not in entry.name and entry.is_file():
                with open(entry.path, encoding="utf-8", errors="surrogateescape") as file:
                    line = file.readline()
                if line and "\0" not in line:
                    found[entry.name] = line.removesuffix("\n")
    except OSError as error:
        raise SettingError(f"cannot read envdir {path} ({error.strerror}): correct envdir, or leave it out") from error
    return found
