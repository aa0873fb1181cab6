"""What an engine serves: an application behind each listener."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

from hotswap.apps.mapping import server_name
from hotswap.engine import Service
from hotswap.engine.values import Application
from hotswap.system.listeners import Listener, bound_text


def services_of(listeners: Sequence[Listener], apps: Mapping[str, Application]) -> list[Service]:
    """A service for each listener; one that `apps` does not name by its key gets the first application."""
    default = next(iter(apps.values()))
    return [
        _service(listener.key, listener.sock, listener.bound, apps.get(listener.key, default)) for listener in listeners
    ]


def services_of_sockets(sockets: Sequence[socket.socket], app: Application) -> list[Service]:
    """The same for the sockets of gunicorn's arbiter, which are known by nothing but where they are bound."""
    return [_service(bound_text(sock), sock, bound_text(sock), app) for sock in sockets]


def _service(key: str, sock: socket.socket, bound: str, app: Application) -> Service:
    return Service(key=key, sock=sock, app=app, server=server_name(bound))
