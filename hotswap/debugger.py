"""werkzeug's debugger around the applications, for `debug=True`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from hotswap.applications import WSGIApp
from hotswap.crew.interfaces import interface_of
from hotswap.logs import Log
from hotswap.settings import Config
from hotswap.system.addresses import parse_all

if TYPE_CHECKING:
    from werkzeug.debug import DebuggedApplication


def wrapped(apps: Mapping[str, WSGIApp], cfg: Config, log: Log) -> Mapping[str, WSGIApp]:
    """The applications inside the debugger if it is asked for, else as they are; the log gets its PIN. It is made for
    WSGI only.

    An application that several listeners share stays one: a traceback's frames are kept in the debugger that made them.
    """
    if not cfg.use_debugger or any(interface_of(app).is_asgi for app in apps.values()):
        return apps
    from werkzeug.debug import DebuggedApplication

    # As werkzeug.serving.run_simple does: only these names, and local ones, may open a console.
    hosts = [address.host for address in parse_all(cfg.settings["bind"].get()) if address.host]
    # The console runs in the process that has the frame, and among workers nobody knows which that is.
    evalex = cfg.use_evalex and not cfg.workers
    debuggers: dict[int, DebuggedApplication] = {}
    for app in apps.values():
        if id(app) not in debuggers:
            debuggers[id(app)] = DebuggedApplication(app, evalex=evalex)
            debuggers[id(app)].trusted_hosts += hosts
    if evalex:
        _say_pins(debuggers.values(), log)
    return {key: debuggers[id(app)] for key, app in apps.items()}


def _say_pins(debuggers: Collection[DebuggedApplication], log: Log) -> None:
    """DebuggedApplication.__init__ says the PIN itself, but only below werkzeug's own reloader (WERKZEUG_RUN_MAIN)."""
    for pin in dict.fromkeys(debugger.pin for debugger in debuggers):
        if pin is None:
            log.warning("the debugger is on, without a PIN: whoever can reach this server can run code in it")
        else:
            log.warning("the debugger is on, its PIN is %s", pin)
