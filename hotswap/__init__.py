"""hotswap serves a WSGI application and replaces it with its next version without one client noticing.

    import hotswap
    hotswap.serve(app, "0.0.0.0:4242")

Then `kill -HUP pid` after every deploy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hotswap.errors import (
    AddressError,
    BindError,
    BootError,
    HotswapError,
    NoSuchServer,
    RestartRefused,
    SettingError,
    UsageError,
)
from hotswap.events import draining, on, on_signal
from hotswap.platform import restarts_hot as _restarts_hot

if TYPE_CHECKING:
    from hotswap.crew.worker import Worker as Worker
    from hotswap.server import Server
    from hotswap.serving import serve

#: The number of this run of the program: 1, and one more after every restart.
generation = 1
if _restarts_hot():
    # At import and not in serve(): what a predecessor passed is taken before the program goes on.
    from hotswap.birth import HERE as _HERE

    generation = _HERE.generation

__version__ = "0.1.0"
# Without Worker, which is for `gunicorn -k`, and is not there on every platform.
__all__ = [
    "AddressError",
    "BindError",
    "BootError",
    "HotswapError",
    "NoSuchServer",
    "RestartRefused",
    "Server",
    "SettingError",
    "UsageError",
    "draining",
    "generation",
    "on",
    "on_signal",
    "serve",
]


def __getattr__(name: str) -> Any:
    """`serve`, `Server` and `Worker` when first asked for: they import gunicorn, which `hotswap status` does not
    need."""
    if name == "Worker":
        return _worker()
    if name not in ("serve", "Server"):
        raise AttributeError(f"module 'hotswap' has no attribute {name!r}")
    if _restarts_hot():
        from hotswap import server, serving

        globals().update(serve=serving.serve, Server=server.Server)
    else:
        from hotswap import elsewhere

        globals().update(serve=elsewhere.serve, Server=elsewhere.Server)
    return globals()[name]


def _worker() -> Any:
    if not _restarts_hot():
        raise UsageError("hotswap.Worker needs Linux and its epoll: give gunicorn another worker class here")
    from hotswap.crew.worker import Worker

    return Worker
