"""`hotswap.serve()`: what stands where `app.run()` stood."""

from __future__ import annotations

from typing import Any

from hotswap.applications import Address
from hotswap.server import Server


def serve(app: Any, address: Address = None, **settings: Any) -> str:
    """Serve a WSGI application until told to stop, and replace it with its next version on every SIGHUP.

    `app` is a WSGI callable, a mapping of address to WSGI callable, or an ASGI callable, which forked workers serve.
    `address` is `host:port`, `[v6]:port`, `:port`, `unix:/path`, `unix:@abstract`, `fd://N`, or a sequence of these;
    default `127.0.0.1:5000`. Keywords are gunicorn's settings, hotswap's own and the arguments of Flask's `app.run()`:
    `host=`, `port=`, `debug=`.

    Returns "stopped" after a stop and "retired" after a restart, so that the code after it runs, and atexit too.
    Raises UsageError, SettingError, AddressError, BindError or BootError, each before anything is served.
    """
    return Server(app, address, **settings).run()

