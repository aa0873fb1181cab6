"""What `debug=True` shows at a terminal, as users of Flask know it: every request, and how to quit."""

from __future__ import annotations

import sys

from hotswap.log import Log
from hotswap.settings import Config


def show_requests(cfg: Config) -> None:
    """Switch the access log on where a developer watches, unless the settings say anything of logging requests.

    Called before the log is opened.
    """
    says = {"accesslog", "logger_class", "logconfig", "logconfig_dict", "logconfig_json", "syslog"} & cfg.given
    if cfg.debug and not says and _is_terminal():
        cfg.settings["accesslog"].set("-")


def say_how_to_quit(cfg: Config, log: Log) -> None:
    """Say it once, and not again at each saved file. Called when this generation serves."""
    if cfg.debug and log.generation == 1 and _is_terminal():
        log.info("Press Ctrl-C to quit")


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False
