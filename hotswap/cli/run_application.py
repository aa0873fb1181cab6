"""What `hotswap run` does in the process that serves: read, check, detach, load, serve."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hotswap.apps.importing import load
from hotswap.apps.mapping import Deferred, set_debug
from hotswap.callbacks import on
from hotswap.cli.exit_status import FAILED
from hotswap.cli.serve_command import ServeCommand
from hotswap.cli.terminal import say
from hotswap.errors import BootError, HotswapError, SettingError
from hotswap.restart.bootstrap import THIS_PROCESS
from hotswap.restart.pinned_imports import pin_imports
from hotswap.settings import Config, check, from_command_line
from hotswap.settings.environment import enter
from hotswap.workers.foreign import classes

if TYPE_CHECKING:
    from hotswap.server import Server


def main(arguments: Sequence[str], command: ServeCommand) -> int:
    """Carry out `hotswap run ARGUMENTS` until the server has stopped or retired. Raises HotswapError."""
    try:
        return run(arguments, command)
    except HotswapError as error:
        # `main.carry_out` catches it, so sys.excepthook, which tells the predecessor, would never see it.
        predecessor = THIS_PROCESS.predecessor
        if predecessor is not None and predecessor.failed(str(error), printed_more=isinstance(error, BootError)):
            # It logs the sentence, which need not stand in the same log twice.
            return FAILED
        raise


def run(arguments: Sequence[str], command: ServeCommand) -> int:
    """Read, check, detach, load, serve: gunicorn's order (gunicorn.app.base.Application.run)."""
    cfg, name = from_command_line(arguments, os.environ, command.prog, command.application)
    if command.load is None:
        must_be_module(name)
    load_named = functools.partial(load_for, cfg, name, command.load or load)
    if cfg.print_config:
        say(str(cfg))
    classes.settle(cfg)
    check(cfg)
    only_looking = cfg.check_config or cfg.print_config
    if cfg.daemon and THIS_PROCESS.generation == 1 and not (only_looking or THIS_PROCESS.link.exists):
        # Before the application is loaded: none of its threads and connections would survive the fork.
        become_daemon(keep_streams=cfg.enable_stdio_inheritance)
    enter(cfg, THIS_PROCESS.program.environ)
    # The conf file too was named by its link, and may have put more on sys.path.
    pin_imports([(cfg.chdir, os.getcwd())])
    if cfg.workers:
        THIS_PROCESS.loads_application()
    if cfg.workers and not cfg.preload_app and not only_looking:
        return serve_application(cfg, Deferred(load_named))
    application = load_named()
    if only_looking:
        classes.must_fit(application, cfg, classes.settle(cfg))
        return 0
    return serve_application(cfg, application)


def must_be_module(name: str) -> None:
    """Raise SettingError, which says what to write, if that is the name of a file."""
    if ".py" not in name and "/" not in name:
        return
    # Imported here: a start without a mistake should not wait for it.
    from hotswap.cli import application_file

    if application_file.is_file(name):
        raise SettingError(f"{name} is a file, and no module: {application_file.instead_of_file(name)}")


def become_daemon(*, keep_streams: bool) -> None:
    """Go on in the background; the command itself ends when this generation serves, or has failed to."""
    # Imported here: other starts need not pay for ctypes.
    from hotswap.system.detaching import detach

    daemon = detach(keep_streams=keep_streams)
    THIS_PROCESS.is_forked()

    @on("ready")
    def ready(server: Server) -> None:
        if not daemon.ready():
            server.stop()


def load_for(cfg: Config, name: str, load_named: Callable[[str], Callable[..., Any]]) -> Callable[..., Any]:
    """Load the application; with --debug it is told so. Raises BootError."""
    application = load_named(name)
    if cfg.debug:
        set_debug(application)
    return application


def serve_application(cfg: Config, application: Callable[..., Any]) -> int:
    """Serve until the server has stopped or retired; return the exit status, which is 0 for both."""
    # Imported here: --check-config and a wrong option should not wait for the engine's import.
    from hotswap.server import Server

    Server.from_config(cfg, application).run()
    return 0
