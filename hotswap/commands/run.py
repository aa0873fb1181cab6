"""`hotswap run module:app`: gunicorn's command line, in front of our server."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

from gunicorn import util

from hotswap import worker_classes
from hotswap.applications import Deferred
from hotswap.birth import HERE
from hotswap.commands.application import load
from hotswap.commands.output import say
from hotswap.errors import HotswapError
from hotswap.settings import Config, check, from_command_line
from hotswap.settings.environment import enter


def main(arguments: Sequence[str]) -> int:
    """Carry out `hotswap run ARGUMENTS` until the server has stopped or retired. Raises HotswapError."""
    try:
        return run(arguments)
    except HotswapError as error:
        # Our caller catches it, so the hook that tells the predecessor what nobody caught would never see it.
        if HERE.predecessor is not None:
            HERE.predecessor.failed(str(error))
        raise


def run(arguments: Sequence[str]) -> int:
    """Read, check, detach, load, serve: gunicorn's order (gunicorn.app.base.Application.run)."""
    cfg, name = from_command_line(arguments, os.environ)
    if cfg.print_config:
        say(str(cfg))
    worker_classes.settle(cfg)
    check(cfg)
    only_looking = cfg.check_config or cfg.print_config
    if cfg.daemon and HERE.generation == 1 and not only_looking:
        # Before anything is loaded: no thread and no connection of the application survives a fork.
        util.daemonize(cfg.enable_stdio_inheritance)
    enter(cfg)
    if cfg.workers and not cfg.preload_app and not only_looking:
        return serve_application(cfg, Deferred(functools.partial(load, name)))
    application = load(name)
    if only_looking:
        worker_classes.must_fit(application, cfg, worker_classes.settle(cfg, application))
        return 0
    return serve_application(cfg, application)


def serve_application(cfg: Config, application: Callable[..., Any]) -> int:
    """Serve until the server has stopped or retired; both are what was asked for."""
    # Here, and not above: --check-config and a wrong option should not wait for the engine's import.
    from hotswap.server import Server

    Server.from_config(cfg, application).run()
    return 0
