"""The settings of `hotswap.serve()`: its keywords, and a conf file only if `config=` names one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from hotswap.errors import SettingError
from hotswap.settings import conf_file, run_arguments
from hotswap.settings.config import Config
from hotswap.settings.names import refuse_unknown
from hotswap.settings.run_arguments import DefaultAddress

SOURCE = "keyword"

RUN_ONLY: Mapping[str, str] = {
    "wsgi_app": "serve() is given the application itself",
    "check_config": "use hotswap run --check-config",
    "print_config": "print the object that Server has as cfg",
    "daemon": "it forks, and threads started before serve() would be lost: use hotswap run --daemon",
}


def from_keywords(
    settings: Mapping[str, object],
    address: str | Sequence[str] | None = None,
    default: DefaultAddress | None = None,
) -> Config:
    """Return the configuration that `serve(app, address, **settings)` asks for; `default` is the application's address.

    Reads neither WEB_CONCURRENCY, GUNICORN_CMD_ARGS, PORT nor FORWARDED_ALLOW_IPS, and a conf file only if `config=`
    names one; keywords win over it. A keyword that is None counts as not given. Raises SettingError.
    """
    cfg = Config(prog="hotswap")
    cfg.settings["default_proc_name"].set(program_name(sys.argv))
    refuse_unknown(settings, cfg.settings)
    arguments = run_arguments.take(run_arguments.with_address(settings, address), default)
    cfg.take_run_arguments(arguments)
    if arguments.default_bind is not None:
        cfg.settings["bind"].set([arguments.default_bind])
    location = arguments.settings.pop("config", None)
    if location is not None:
        conf_file.load(cfg, os.fspath(location) if isinstance(location, os.PathLike) else location)
    for name, value in arguments.settings.items():
        cfg.give(name, value, SOURCE)
    from_file = cfg.sources.get("bind") not in (None, SOURCE)
    if default is not None and not from_file and (address, settings.get("bind"), settings.get("host")) == (None,) * 3:
        cfg.host_from = default.source
    refuse_run_only(cfg)
    return cfg


def refuse_run_only(cfg: Config) -> None:
    """Raise SettingError for a setting that makes sense only if `hotswap run` starts the program."""
    for name, instead in RUN_ONLY.items():
        if cfg.changed(name):
            raise SettingError(f"{name} ({cfg.sources[name]}) is for hotswap run: {instead}")


def program_name(argv: Sequence[str]) -> str:
    """Return the program's name for process titles and syslog: `app` for app.py, the package for `python -m`."""
    directory, file = os.path.split(argv[0] if argv else "")
    stem = os.path.splitext(file)[0]
    if stem == "__main__":
        stem = os.path.basename(directory)
    return stem if stem and not stem.startswith("-") else "app"
