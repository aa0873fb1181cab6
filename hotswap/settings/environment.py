"""What settings say about the surroundings of a program: directory, search path, environment.

`additions` is read anew at each restart, by the predecessor: a changed file reaches the next generation.
"""

from __future__ import annotations

import os
import re
import sys

from hotswap.errors import SettingError
from hotswap.settings.config import Config
from hotswap.settings.upstream import REJECTED

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_QUOTED = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\s*(?:#.*)?""")


def enter(cfg: Config) -> None:
    """Change to `chdir`, put it and `pythonpath` on sys.path, and the settings' variables into os.environ.

    In gunicorn's order; what `raw_env` (-e) says wins over files. Raises SettingError.
    """
    if "chdir" in cfg.given:
        os.chdir(cfg.chdir)
        _put_first(cfg.chdir)
    for path in (cfg.pythonpath or "").split(","):
        if path:
            _put_first(os.path.abspath(path))
    os.environ.update(additions(cfg))
    try:
        os.environ.update(cfg.env)
    except REJECTED as error:
        raise SettingError(f"raw_env cannot be {cfg.raw_env!r} ({error}): it takes texts such as KEY=VALUE") from error


def _put_first(path: str) -> None:
    if path not in sys.path:
        sys.path.insert(0, path)


def additions(cfg: Config) -> dict[str, str]:
    """Return the variables that `env_file` and `envdir` name now; the directory wins. Raises SettingError."""
    added: dict[str, str] = {}
    if cfg.env_file is not None:
        added.update(read_env_file(cfg.env_file))
    if cfg.envdir is not None:
        added.update(read_envdir(cfg.envdir))
    return added


def read_env_file(path: str) -> dict[str, str]:
    """Return the KEY=VALUE lines of a file; `export`, comments, blank lines and quotes are understood."""
    found: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            for number, line in enumerate(file, start=1):
                text = line.strip()
                if text and not text.startswith("#"):
                    name, value = _assignment(text, f"{path} line {number}")
                    found[name] = value
    except OSError as error:
        raise SettingError(
            f"cannot read env_file {path} ({error.strerror}): correct env_file, or leave it out"
        ) from error
    return found


def _assignment(text: str, where: str) -> tuple[str, str]:
    matched = _ASSIGNMENT.fullmatch(text)
    if matched is None or "\0" in text:
        raise SettingError(f"{where} is no KEY=VALUE ({text!r}): correct it, or make it a comment with #")
    name, value = matched.groups()
    quoted = _QUOTED.fullmatch(value)
    if quoted is None:
        return name, value.split(" #", 1)[0].strip()
    double, single = quoted.groups()
    return name, single if double is None else re.sub(r'\\(["\\$`])', r"\1", double)


def read_envdir(path: str) -> dict[str, str]:
    """Return a variable for each file of a directory: its first line, as Server::Starter reads its envdir.

    Names that begin with a dot and empty files are left out, and so are directories.
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
