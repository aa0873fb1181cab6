"""Which engine serves the applications: that for WSGI, or that for ASGI."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence

from hotswap.apps.interface import interface_of
from hotswap.engine import Engine, EngineHost, Limits, Service, WsgiEngine
from hotswap.settings.options import EngineOptions


def are_asgi(services: Sequence[Service]) -> bool:
    """Whether these are ASGI applications; all are of one kind (`classes.must_fit`)."""
    return any(interface_of(service.app).is_asgi for service in services)


def make_engine(
    services: Sequence[Service], options: EngineOptions, host: EngineHost, limits: Limits | None = None
) -> Engine:
    """The engine, not started. Raises BootError for what it cannot be made with.

    From here on Python's collector leaves alone what is loaded, which stays: with a framework, to look at all of it
    takes 10 ms and more, in which a request would wait. `gc.unfreeze()` takes that back.
    """
    if are_asgi(services):
        # Here, and not above: a server of WSGI applications should not wait for the import of asyncio.
        from hotswap.engine.asgi.asgi_engine import AsgiEngine

        kind: Callable[..., Engine] = AsgiEngine
    else:
        kind = WsgiEngine
    gc.freeze()
    return kind(services, options, host, limits)


def import_for(app: object, options: EngineOptions) -> None:
    """Import what workers that serve `app` need, in the process that forks them: they share it, and one that has given
    up root may not be able to read it. Raises BootError if the event loop that is asked for is not installed."""
    if not interface_of(app).is_asgi:
        return
    import_executor(app)
    from hotswap.engine.asgi import asgi_engine, calls, loop_factory  # noqa: F401

    loop_factory.loop_factory(options.asgi.loop)
    if calls.HAS_WEBSOCKETS and options.gunicorn.uid != os.geteuid():
        from hotswap.engine.asgi import websocket_call  # noqa: F401  which is else imported at the first websocket


def import_executor(app: object) -> None:
    """The same for workers of any class: what run_in_executor imports when it is first called."""
    if interface_of(app).is_asgi:
        import concurrent.futures.thread  # noqa: F401


def most_at_once(services: Sequence[Service], limits: Limits) -> int:
    """With how many requests under way a process can begin no other: an event loop always can."""
    return sys.maxsize if are_asgi(services) else limits.threads
