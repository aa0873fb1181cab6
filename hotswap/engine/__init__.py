"""HTTP/1.1 and WSGI on sockets given to it. Imports gunicorn's parsers, so import it when serving, not before.

`Engine` is what the code that runs an engine knows of it, `WsgiEngine` the one for WSGI applications.
"""

from __future__ import annotations

from hotswap.engine.base import Engine, EngineHost, Logger
from hotswap.engine.limits import Limits
from hotswap.engine.values import Application, Counters, Give, InFlight, Moved, Service
from hotswap.engine.wsgi.engine import WsgiEngine

__all__ = [
    "Engine", "EngineHost", "WsgiEngine", "Service", "Moved", "Give", "InFlight", "Counters", "Limits", "Logger",
    "Application",
]  # fmt: skip
