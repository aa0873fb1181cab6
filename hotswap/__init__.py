"""hotswap serves a WSGI or ASGI application and replaces it with its next version without one client noticing.

    import hotswap
    hotswap.serve(app, "0.0.0.0:4242")

Then `kill -HUP pid` after every deploy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hotswap.callbacks import draining, on, on_signal
from hotswap.compat import restarts_hot as _restarts_hot
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
from hotswap.version import VERSION

if TYPE_CHECKING:
    from hotswap.monitoring.application import metrics
    from hotswap.server import Server, serve
    from hotswap.workers.native.worker import Worker as Worker

#: The number of this run of the program: 1, and one more after every restart.
generation = 1
if _restarts_hot():
    # At import and not in serve(): bootstrap takes what a predecessor passed before the program goes on.
    from hotswap.restart.bootstrap import THIS_PROCESS as _THIS_PROCESS

    generation = _THIS_PROCESS.generation

__version__ = VERSION
# Without Worker: it is for `gunicorn -k`, and not there on every platform.
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
    "metrics",
    "on",
    "on_signal",
    "serve",
]


def __dir__() -> list[str]:
    """The public names, for completion and help(), also those that are imported when a program uses them first."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def __getattr__(name: str) -> Any:
    """Import `serve`, `Server`, `Worker` and `metrics` when a program uses them first: they import gunicorn, which
    `hotswap status` does not need, or the scoreboard."""
    if name == "Worker":
        return _worker()
    if name == "metrics":
        return _metrics()
    if name not in ("serve", "Server"):
        raise AttributeError(f"module 'hotswap' has no attribute {name!r}")
    if _restarts_hot():
        from hotswap import server

        globals().update(serve=server.serve, Server=server.Server)
    else:
        from hotswap.dev import werkzeug_server

        globals().update(serve=werkzeug_server.serve, Server=werkzeug_server.WerkzeugServer)
    return globals()[name]


def _metrics() -> Any:
    from hotswap.monitoring.application import metrics

    globals().update(metrics=metrics)
    return metrics


def _worker() -> Any:
    if not _restarts_hot():
        raise UsageError("hotswap.Worker needs Linux and its epoll: give gunicorn another worker class here")
    from hotswap.workers.native.worker import Worker

    return Worker
