"""The settings of `hotswap run`: gunicorn's order of precedence, from the defaults up to the command line.

`gunicorn.app.base.Application.load_config` is the model; that reads sys.argv and exits, so it is written anew.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from hotswap.errors import SettingError
from hotswap.settings import conf_file, run_arguments
from hotswap.settings.config import Config
from hotswap.settings.run_arguments import DefaultAddress
from hotswap.settings.run_options import RUN_OPTIONS, parser

PROGRAM = "hotswap run"


def from_command_line(
    argv: Sequence[str], environ: Mapping[str, str], prog: str = PROGRAM, application: str = ""
) -> tuple[Config, str]:
    """Return the configuration and the application's name, `module:app`, as arguments and environment ask.

    `prog` is what the user has typed before `argv`, and `application` is served if neither names one.

    GUNICORN_CMD_ARGS wins over a conf file, and `argv` over both. Puts the current directory on sys.path, as gunicorn
    does, because a conf file may import the project. Raises SettingError; SystemExit(2) after a usage line for an
    option that argparse refuses, SystemExit(0) for --help and --version.
    """
    cfg = Config(environ, prog=prog)
    if application:
        cfg.usage = "%(prog)s [OPTIONS]"
    arguments = vars(parser(cfg, prog).parse_args(argv))
    from_environment = vars(parser(cfg, "GUNICORN_CMD_ARGS").parse_args(_environment_arguments(environ)))
    named = _application(arguments.pop("args"), prog)
    from_environment.pop("args")
    is_factory = arguments.pop("factory"), from_environment.pop("factory")
    default = _default_address(cfg)
    if named or application:
        cfg.settings["default_proc_name"].set(named or application)
    # Where a link leads that is a part of it: a deploy may move that.
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    if environ.get("WEB_CONCURRENCY"):
        cfg.give("workers", environ["WEB_CONCURRENCY"], source="WEB_CONCURRENCY")
    _load_conf_file(cfg, arguments["config"] or from_environment["config"])
    _give_all(cfg, from_environment, default, source="GUNICORN_CMD_ARGS")
    _give_all(cfg, arguments, default, source="command line")
    if cfg.changes_owner and "preload_app" not in cfg.given:
        # Preloading would run code as root that the workers' user may be able to write.
        cfg.settings["preload_app"].set(False)
    name = named or cfg.wsgi_app
    return cfg, (_called(name) if name and any(is_factory) else name) or application or _refuse_none(prog)


def _called(name: str) -> str:
    """Return what gunicorn calls to make the application (gunicorn.util.import_app)."""
    if name.endswith(")"):
        return name
    return f"{name}()" if ":" in name else f"{name}:application()"


def _environment_arguments(environ: Mapping[str, str]) -> list[str]:
    text = environ.get("GUNICORN_CMD_ARGS", "")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise SettingError(f"cannot read GUNICORN_CMD_ARGS ({error}): {text!r}") from error


def _application(positional: Sequence[str], prog: str) -> str | None:
    if len(positional) > 1:
        raise SettingError(f"{prog} takes one application, not {len(positional)} ({' '.join(positional)})")
    return positional[0] if positional else None


def _refuse_none(prog: str) -> NoReturn:
    raise SettingError(f"no application is named: write {prog} module:app, or set wsgi_app in the conf file")


def _load_conf_file(cfg: Config, location: str | None) -> None:
    default = os.path.join(cfg.start_directory, conf_file.DEFAULT_FILE)
    if location is not None:
        conf_file.load(cfg, location)
    elif os.path.exists(default):
        conf_file.load(cfg, default)


def _default_address(cfg: Config) -> DefaultAddress:
    """Return what --host and --port leave open: 127.0.0.1:5000, or what PORT asks for."""
    host, _, port = cfg.settings["bind"].get()[0].rpartition(":")
    return DefaultAddress(host, port)


def _give_all(cfg: Config, values: Mapping[str, object], default: DefaultAddress, source: str) -> None:
    given = {name: value for name, value in values.items() if value is not None}
    run = {name: given.pop(name) for name in RUN_OPTIONS if name in given}
    if "bind" in given and run.keys() & {"host", "port"}:
        raise SettingError(f"the address is given twice, by --bind and --host or --port ({source}): leave one out")
    if run:
        arguments = run_arguments.take(run, default)
        given.update(arguments.settings)
        if "debug" in run:
            cfg.take_run_arguments(arguments)
    for name, value in given.items():
        cfg.give(name, value, source)
