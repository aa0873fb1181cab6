"""The settings of `hotswap.serve()`: keywords, and nothing from outside the program unless it says so."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from hotswap.errors import SettingError
from hotswap.settings import conf_file, run_arguments
from hotswap.settings.config import Config
from hotswap.settings.names import refuse_unknown

SOURCE = "keyword"

RUN_ONLY: Mapping[str, str] = {
    "wsgi_app": "serve() is given the application itself",
    "check_config": "use hotswap run --check-config",
    "print_config": "print the object that Server has as cfg",
    "daemon": "it forks, and threads started before serve() would be lost: use hotswap run --daemon",
}


def from_keywords(settings: Mapping[str, object], address: str | Sequence[str] | None = None) -> Config:
    """Return the configuration that `serve(app, address, **settings)` asks for.

    Reads neither WEB_CONCURRENCY, GUNICORN_CMD_ARGS, PORT nor FORWARDED_ALLOW_IPS, and a conf file only where
    `config=` names one; keywords win over it. None is the same as leaving a setting out. Raises SettingError.
    """
    cfg = Config(prog="hotswap")
    cfg.settings["default_proc_name"].set(program_name(sys.argv))
    refuse_unknown(settings, cfg.settings)
    arguments = run_arguments.take(run_arguments.with_address(settings, address))
    cfg.debug, cfg.run_arguments = arguments.debug, arguments.others
    cfg.use_debugger, cfg.use_evalex = arguments.use_debugger, arguments.use_evalex
    location = arguments.settings.pop("config", None)
    if location is not None:
        conf_file.load(cfg, os.fspath(location) if isinstance(location, os.PathLike) else location)
    for name, value in arguments.settings.items():
        cfg.give(name, value, SOURCE)
    refuse_run_only(cfg)
    return cfg


def refuse_run_only(cfg: Config) -> None:
    """Raise SettingError for a setting that makes sense only where hotswap itself starts the program."""
    for name, instead in RUN_ONLY.items():
        if cfg.changed(name):
            raise SettingError(f"{name} ({cfg.sources[name]}) is for hotswap run: {instead}")


def program_name(argv: Sequence[str]) -> str:
    """Return what titles and syslog call the program: `app` for app.py, the package for `python -m`."""
    directory, file = os.path.split(argv[0] if argv else "")
    stem = os.path.splitext(file)[0]
    if stem == "__main__":
        stem = os.path.basename(directory)
    return stem if stem and not stem.startswith("-") else "app"
