"""The settings of `hotswap run`: gunicorn's order of precedence, from the defaults up to the command line.

`gunicorn.app.base.Application.load_config` is the model; it reads sys.argv and exits, so it is written anew.
"""

from __future__ import annotations

import argparse
import copy
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hotswap.errors import SettingError
from hotswap.settings import conf_file
from hotswap.settings.config import Config
from hotswap.settings.support import SUPPORT, Kind

PROGRAM = "hotswap run"


def from_command_line(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Config, str]:
    """Return the configuration and the application's name, `module:app`, as arguments and environment ask.

    A conf file is read first, GUNICORN_CMD_ARGS wins over it, `argv` wins over both. Puts the current
    directory on sys.path, as gunicorn does, because a conf file may import the project. Raises SettingError;
    what argparse finds wrong in an option exits with 2 and a usage line, --help and --version exit with 0.
    """
    cfg = Config(environ, prog=PROGRAM)
    arguments = vars(parser(cfg, PROGRAM).parse_args(argv))
    from_environment = vars(parser(cfg, "GUNICORN_CMD_ARGS").parse_args(_environment_arguments(environ)))
    named = _application(arguments.pop("args"))
    from_environment.pop("args")
    if named is not None:
        cfg.settings["default_proc_name"].set(named)
    if cfg.start_directory not in sys.path:
        sys.path.insert(0, cfg.start_directory)
    if environ.get("WEB_CONCURRENCY"):
        cfg.give("workers", environ["WEB_CONCURRENCY"], source="WEB_CONCURRENCY")
    _load_conf_file(cfg, arguments["config"] or from_environment["config"])
    _give_all(cfg, from_environment, source="GUNICORN_CMD_ARGS")
    _give_all(cfg, arguments, source="command line")
    if cfg.changes_owner and "preload_app" not in cfg.given:
        # Preloading would run as root what workers may be able to write.
        cfg.settings["preload_app"].set(False)
    return cfg, named or _application_from(cfg)


def parser(cfg: Config, prog: str) -> argparse.ArgumentParser:
    """Return gunicorn's command line with our settings, our version, and a way to say not to preload."""
    made = argparse.ArgumentParser(usage=cfg.usage, prog=prog)
    made.add_argument("-v", "--version", action=_Version, nargs=0, help="show the version and exit")
    made.add_argument("args", nargs="*", help=argparse.SUPPRESS)
    for name in sorted(cfg.settings, key=cfg.settings.__getitem__):
        setting = copy.copy(cfg.settings[name])
        if name in SUPPORT and SUPPORT[name].kind is Kind.REFUSED:
            where = "with hotswap's own engine" if SUPPORT[name].engine else "in this version"
            setting.short = f"(Not {where}.) {setting.short}"
        setting.add_option(made)
    # gunicorn's --preload can only say yes, which is the default here.
    made.add_argument(
        "--no-preload",
        dest="preload_app",
        action="store_const",
        const=False,
        help="Load the application in each worker.",
    )
    return made


class _Version(argparse.Action):
    """Asks for the version only when it is wanted: reading package metadata costs more than parsing."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        parser.exit(0, f"hotswap {version('hotswap')} (gunicorn {version('gunicorn')})\n")


def _environment_arguments(environ: Mapping[str, str]) -> list[str]:
    text = environ.get("GUNICORN_CMD_ARGS", "")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise SettingError(f"cannot read GUNICORN_CMD_ARGS ({error}): {text!r}") from error


def _application(positional: Sequence[str]) -> str | None:
    if len(positional) > 1:
        raise SettingError(f"hotswap run takes one application, not {len(positional)} ({' '.join(positional)})")
    return positional[0] if positional else None


def _application_from(cfg: Config) -> str:
    application: str | None = cfg.wsgi_app
    if application is None:
        raise SettingError("no application is named: write hotswap run module:app, or set wsgi_app in the conf file")
    return application


def _load_conf_file(cfg: Config, location: str | None) -> None:
    default = os.path.join(cfg.start_directory, conf_file.DEFAULT_FILE)
    if location is not None:
        conf_file.load(cfg, location)
    elif os.path.exists(default):
        conf_file.load(cfg, default)


def _give_all(cfg: Config, values: Mapping[str, object], source: str) -> None:
    for name, value in values.items():
        if value is not None:
            cfg.give(name, value, source)
