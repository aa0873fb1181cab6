"""Puts werkzeug's debugger around the applications, for `debug=True`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from hotswap.apps.interface import interface_of
from hotswap.apps.mapping import WSGIApp
from hotswap.log import Log
from hotswap.settings import Config
from hotswap.system.addresses import parse_all

if TYPE_CHECKING:
    from werkzeug.debug import DebuggedApplication


def wrapped(apps: Mapping[str, WSGIApp], cfg: Config, log: Log) -> Mapping[str, WSGIApp]:
    """Return the applications inside the debugger if `cfg` asks for it and all are WSGI, else as they are, and the log
    says why. The log gets the PIN.

    An application that several listeners share gets one debugger: a debugger keeps the frames of the tracebacks it
    made.
    """
    if not cfg.use_debugger:
        return apps
    if any(interface_of(app).is_asgi for app in apps.values()):
        log.info("no debugger in the browser: werkzeug's is for WSGI; Starlette and FastAPI show tracebacks themselves")
        return apps
    from werkzeug.debug import DebuggedApplication

    # As in werkzeug.serving.run_simple: a console opens only under these host names, and under local ones.
    hosts = [address.host for address in parse_all(cfg.settings["bind"].get()) if address.host]
    # The console runs in the process that has the frame, and the browser cannot tell the workers which one that is.
    evalex = cfg.use_evalex and not cfg.workers
    debuggers: dict[int, DebuggedApplication] = {}
    for app in apps.values():
        if id(app) not in debuggers:
            debuggers[id(app)] = DebuggedApplication(app, evalex=evalex, pin_logging=False)
            debuggers[id(app)].trusted_hosts += hosts
    if evalex:
        _say_pins(debuggers.values(), log)
    return {key: debuggers[id(app)] for key, app in apps.items()}


def _say_pins(debuggers: Collection[DebuggedApplication], log: Log) -> None:
    """Log the PINs by our log: DebuggedApplication would use werkzeug's."""
    for pin in dict.fromkeys(debugger.pin for debugger in debuggers):
        if pin is None:
            log.warning("the debugger is on, without a PIN: any client that can reach this server can run code in it")
        else:
            log.warning("the debugger is on, its PIN is %s", pin)
