"""`flask hotswap`: serves the application of `flask --app`, with the options of `hotswap run`.

flask finds it by the entry point of the group flask.commands, and imports it for every command that is not its own.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import click
from flask.cli import NoAppException, ScriptInfo, pass_script_info
from flask.helpers import get_debug_flag

from hotswap.cli.serve_command import ServeCommand
from hotswap.errors import BootError, UsageError
from hotswap.frameworks.commands import serve

PROG = "flask hotswap"


@click.command(
    "hotswap",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
    short_help="Serve with hotswap, which is replaced without a client noticing.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_script_info
def command(info: ScriptInfo, arguments: tuple[str, ...]) -> None:
    """Serve the application until told to stop; every option is one of `hotswap run`."""
    name = info.app_import_path or "app"
    debug = ["--debug"] if get_debug_flag() else []
    sys.exit(serve(ServeCommand(PROG, name, functools.partial(_load, info, name)), [*debug, *arguments]))


def _load(info: ScriptInfo, own: str, name: str) -> Callable[..., Any]:
    """Return the application that flask finds, as it does for `flask run`. Raises BootError, UsageError."""
    if name != own:
        raise UsageError(f"flask names the application, and {name} is named too: write flask --app {name} hotswap")
    try:
        return info.load_app()
    except NoAppException as error:
        raise BootError(error.format_message()) from error
    except Exception as error:  # the user's code: whatever it raises is the answer
        from hotswap.apps.importing import describe  # not above: it needs gunicorn, which needs Linux

        raise BootError(f"cannot load the application {name}:\n{describe(error)}") from error
