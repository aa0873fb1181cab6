"""The surroundings of a program, as its settings want them: directory, search path, environment.

A predecessor calls `additions` at each restart, so a changed file reaches the next generation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from hotswap.errors import SettingError
from hotswap.settings.config import Config
from hotswap.settings.env_file import read_env_file
from hotswap.settings.envdir import read_envdir
from hotswap.settings.upstream import REJECTED


def enter(cfg: Config, environ: Mapping[str, str]) -> None:
    """Change to `chdir`, put it and `pythonpath` on sys.path, and the settings' variables into os.environ.

    `environ` is what the first generation was started with.
    In gunicorn's order; a variable of `raw_env` (-e) wins over one of a file. On sys.path a link is replaced by what it
    leads to, because a deploy may move it. Raises SettingError, and OSError if it cannot change to `chdir`.
    """
    if "chdir" in cfg.given:
        # The second time, when the application is loaded, `chdir` may lead to the next release.
        os.chdir(cfg.entered or cfg.chdir)
        cfg.entered = os.getcwd()
        _put_first(cfg.entered)
    for path in (cfg.pythonpath or "").split(","):
        if path:
            _put_first(os.path.realpath(path))
    os.environ.update(additions(cfg, environ))
    try:
        os.environ.update(cfg.env)
    except REJECTED as error:
        raise SettingError(f"raw_env cannot be {cfg.raw_env!r} ({error}): it takes texts such as KEY=VALUE") from error


def _put_first(path: str) -> None:
    if path not in sys.path:
        sys.path.insert(0, path)


def additions(cfg: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that `env_file` and `envdir` have now; those of the directory win. Raises SettingError.

    `environ` is what the first generation was started with.

    While files are watched, also the one by which guards in the program, and werkzeug's `is_running_from_reloader()`,
    tell the process that serves from the one that watches: under hotswap every generation serves.
    """
    added = {"WERKZEUG_RUN_MAIN": "true"} if cfg.reload else {}
    if cfg.env_file is not None:
        added.update(read_env_file(cfg.env_file, environ))
    if cfg.envdir is not None:
        added.update(read_envdir(cfg.envdir))
    return added
