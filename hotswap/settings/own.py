"""The settings hotswap adds to gunicorn's: each has its keyword, place in a conf file, option and help.

They are made with gunicorn's `SettingMeta` and then taken out of its register again (KNOWN_SETTINGS): a plain
gunicorn in the same process must show and accept what it always did, down to its options' abbreviations.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hotswap.settings.upstream import gunicorn_config

SECTION = "Hot restart"


def seconds(*, above: bool = False) -> Callable[[object], float]:
    """Return a validator for a number of seconds: 0 or more, or more than 0 if `above`."""
    wanted = f"not a number of seconds, {'more than 0' if above else '0 or more'}"

    def validate_seconds(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(wanted)
        try:
            number = float(value)
        except ValueError:
            raise ValueError(wanted) from None
        # Written so that nan, which compares false with everything, is refused as well.
        if not (number > 0 if above else number >= 0):
            raise ValueError(wanted)
        return number

    return validate_seconds


def validate_check(value: object) -> str:
    """Take the path of the request that a successor must answer before it is ready; empty for none."""
    if value is None:
        return ""
    if not isinstance(value, str) or (value and not value.startswith("/")):
        raise ValueError("not a path that begins with /")
    if any(character <= " " or character > "~" for character in value):
        raise ValueError("it has characters that a request line cannot have; percent-encode them")
    return value


def validate_name(value: object) -> str | None:
    """Take the name that commands know the server by; a number would be taken for a pid."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ValueError("not a name")
    if value.strip().isdigit():
        raise ValueError("a number would be taken for a pid")
    if len(value.encode()) > 200 or not value.isprintable():
        raise ValueError("a name has at most 200 printable bytes")
    return value.strip()


def validate_path(value: object) -> str | None:
    """Take a path and make it absolute now: the process may change its directory later."""
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ValueError("not a path")
    return os.path.abspath(os.fspath(value))


def validate_existing_path(value: object) -> str | None:
    """As `validate_path`, and there must be something at it."""
    path = validate_path(value)
    if path is not None and not os.path.exists(path):
        raise ValueError(f"{path} does not exist")
    return path


def _make(name: str, meta: str, validator: Callable[[object], Any], default: object, *lines: str) -> type:
    attributes = {
        "name": name,
        "section": SECTION,
        # --name is gunicorn's, for proc_name, which stands for ours where that is not set: Config.name.
        "cli": None if name == "name" else [f"--{name.replace('_', '-')}"],
        "meta": meta,
        "validator": validator,
        "default": default,
        "desc": "\n".join(lines),
        "__module__": __name__,
    }
    title = name.title().replace("_", "")
    made: type = gunicorn_config.SettingMeta(title, (gunicorn_config.Setting,), attributes)
    gunicorn_config.KNOWN_SETTINGS.remove(made)
    return made


# The first line of a description is what --help shows.
RetireTimeout = _make(
    "retire_timeout", "SECONDS", seconds(), 600.0,
    "Seconds that a retiring generation may take to finish what it is serving.",
    "Its successor serves already, so nobody waits for it; graceful_timeout is for a stop.",
    "After that, requests are cut, and the log names them.",
)  # fmt: skip
BootTimeout = _make(
    "boot_timeout", "SECONDS", seconds(above=True), 60.0,
    "Seconds that a successor may take to become ready; after that the restart has failed.",
    "A worker that is forked later has as long to load; after that it is ended, and the next one is tried.",
)  # fmt: skip
Check = _make(
    "check", "PATH", validate_check, "",
    "A path that a successor must answer well before it is ready, such as /healthz.",
    "It sends the request to itself, through its own engine, before the predecessor is told to leave.",
)  # fmt: skip
Probation = _make(
    "probation", "SECONDS", seconds(), 0.0,
    "Seconds that a predecessor stays ready to take over again, should its successor die.",
)  # fmt: skip
RunDir = _make(
    "run_dir", "DIR", validate_path, None,
    "The directory of the scoreboard file that hotswap restart, stop and status read.",
    "Default: $XDG_RUNTIME_DIR/hotswap, or /run/hotswap for root, or a folder in the temporary directory.",
)  # fmt: skip
Name = _make(
    "name", "NAME", validate_name, None,
    "The name that hotswap restart, stop and status know this server by.",
    "Default: proc_name (-n, --name) where it is set, else the first address.",
)  # fmt: skip
EnvFile = _make(
    "env_file", "FILE", validate_existing_path, None,
    "A file of KEY=VALUE lines that is added to the environment, and read again at each restart.",
)  # fmt: skip
Envdir = _make(
    "envdir", "DIR", validate_existing_path, None,
    "A directory whose files (variable: name, value: first line) are added to the environment.",
    "It is read again at each restart; a variable whose file is gone is gone from the next generation.",
)  # fmt: skip
BodyBuffer = _make(
    "body_buffer", "BYTES", gunicorn_config.validate_pos_int, 1024 * 1024,
    "Bytes of a request body that are collected before the application is called.",
    "So a slow upload of up to this size holds no thread.",
)  # fmt: skip
SwitchInterval = _make(
    "switch_interval", "SECONDS", seconds(), 0.0005,
    "Seconds after which Python makes a computing thread give way (sys.setswitchinterval); 0: as it is.",
)  # fmt: skip

WorkersLifetime = _make(
    "workers_lifetime", "SECONDS", seconds(), 0.0,
    "Seconds after which a forked worker is replaced, up to a tenth more where there are several; 0: never.",
    "One at a time: its replacement serves before, and gets all its connections.",
)  # fmt: skip

OWN_SETTINGS: tuple[type, ...] = (
    RetireTimeout, BootTimeout, Check, Probation, RunDir, Name, EnvFile, Envdir, BodyBuffer, SwitchInterval,
    WorkersLifetime,
)  # fmt: skip
