"""HTTP/1.1 and WSGI on sockets given to it. Imports gunicorn's parsers, so import it when serving, not before."""

from __future__ import annotations

from hotswap.engine.engine import Engine
from hotswap.engine.limits import Limits
from hotswap.engine.model import Counters, InFlight, Log, Moved, Service

__all__ = ["Engine", "Service", "Moved", "InFlight", "Counters", "Limits", "Log"]
