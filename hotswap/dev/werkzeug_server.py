"""`hotswap.serve` where the platform has no epoll (macOS, Windows): werkzeug's server, and no hot restart.

So a program that calls `hotswap.serve()` can be developed anywhere. This module must import nothing that needs Linux,
and not gunicorn either, which cannot be imported on Windows (gunicorn.util needs fcntl).
"""

from __future__ import annotations

import _thread
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hotswap.apps.flask_address import default_address
from hotswap.apps.interface import interface_of
from hotswap.apps.mapping import Address, WSGIApp, addresses_of, must_be_application, set_debug
from hotswap.callbacks import CALLBACKS, How, draining
from hotswap.compat import NEEDED
from hotswap.errors import RestartRefused, UsageError
from hotswap.settings import run_arguments
from hotswap.settings.names import refuse_unknown
from hotswap.settings.run_arguments import FILE_WATCHING, RunArguments
from hotswap.settings.support import SUPPORT
from hotswap.system.addresses import parse, tcp_text

if TYPE_CHECKING:
    from typing_extensions import Unpack  # no program imports it: typing has it since Python 3.11

    from hotswap.settings.types import Settings

DEFAULT_ADDRESS = f"{run_arguments.DEFAULT_HOST}:{run_arguments.DEFAULT_PORT}"

#: The settings that mean something here; `app.run()`'s own arguments all do.
HONOURED = frozenset(("bind", "threads", "certfile", "keyfile", "reload", "reload_engine", "reload_extra_files"))

_log = logging.getLogger("hotswap")


def serve(app: Any, address: Address = None, **settings: Unpack[Settings]) -> How:
    """Serve as hotswap.server.serve does, but by `werkzeug.serving.run_simple`; return "stopped"."""
    return WerkzeugServer(app, address, **settings).run()


class WerkzeugServer:
    """hotswap.server.Server for development: it has the same methods, and werkzeug's server behind them.

    Raises UsageError, SettingError or AddressError for what is wrong on every platform, and UsageError for what
    werkzeug's server cannot do. The log names the settings that do nothing here.
    """

    generation = 1

    def __init__(self, app: Any, address: Address = None, **settings: Unpack[Settings]) -> None:
        refuse_unknown(settings, SUPPORT)
        given = run_arguments.with_address(settings, addresses_of(app, address))
        arguments = run_arguments.take(given, default_address(app))
        self._app: WSGIApp = next(iter(app.values())) if isinstance(app, Mapping) else app
        must_be_application(self._app)
        if interface_of(self._app).is_asgi:
            raise UsageError(f"werkzeug's server cannot serve an ASGI application: use uvicorn here, because {NEEDED}")
        if arguments.debug:
            set_debug(self._app)
        self._options = _options(arguments)
        scheme = "https" if self._options["ssl_context"] else "http"
        self._hostname, self._port, url = _where(
            arguments.settings.get("bind") or arguments.default_bind or DEFAULT_ADDRESS, scheme
        )
        self._ignored = [name for name, value in arguments.settings.items() if value and name not in HONOURED]
        #: where this server listens, as URLs; which port werkzeug chose for 0, only its own log says
        self.listening = [url]

    def run(self) -> How:
        """Serve until Ctrl-C; return "stopped". If it cannot listen at the address, werkzeug says so and exits."""
        from werkzeug.serving import is_running_from_reloader, run_simple

        serves = is_running_from_reloader() or not self._options["use_reloader"]
        if not is_running_from_reloader():
            self._say()
        if serves:
            # run_simple calls nothing between binding and serving, so "ready" comes a little early.
            self._call_back("starting", self)
            self._call_back("begin", *self.listening)
            draining.clear()
            self._call_back("ready", self)
        try:
            run_simple(self._hostname, self._port, self._app, **self._options)
        finally:
            draining.set()
            if serves:
                self._call_back("stopped", self, "stopped")
        return "stopped"

    def stop(self) -> None:
        """Stop, as Ctrl-C does; from any thread."""
        _thread.interrupt_main()

    def restart(self) -> None:
        """Raises RestartRefused."""
        raise RestartRefused(f"restart refused: {NEEDED}")

    def _say(self) -> None:
        _log.warning("serving at %s with werkzeug's server: %s", *self.listening, NEEDED)
        if self._ignored:
            _log.warning("without effect on this platform: %s", ", ".join(sorted(self._ignored)))

    @staticmethod
    def _call_back(step: str, *arguments: object) -> None:
        for call in CALLBACKS.at(step, *arguments):
            call()


def _where(bind: object, scheme: str) -> tuple[str, int, str]:
    """Return the hostname and the port that run_simple takes, and the URL. Raises UsageError, AddressError."""
    texts = [part for text in _texts(bind) for part in text.split(",")]
    if len(texts) != 1:
        raise UsageError(f"werkzeug's server listens on one address, and {len(texts)} are given: {NEEDED}")
    text = texts[0].strip()
    if text.startswith(("unix:@", "fd:")):
        raise UsageError(f"werkzeug's server cannot listen on {text}: write host:port, because {NEEDED}")
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        # See werkzeug.serving.select_address_family; where there are no unix sockets, run_simple says so.
        return f"unix://{path}", 0, f"unix:{path}"
    address = parse(text)
    return address.host, address.port, f"{scheme}://{tcp_text(address.host, address.port)}"


def _texts(bind: object) -> Sequence[str]:
    return [bind] if isinstance(bind, str) else list(bind) if isinstance(bind, Sequence) else [str(bind)]


def _options(arguments: RunArguments) -> dict[str, Any]:
    """Return run_simple's arguments beside address and application."""
    settings, others = arguments.settings, arguments.others
    watching: dict[str, Any] = {name: others[name] for name in FILE_WATCHING if name in others}
    extra = [*_texts(settings.get("reload_extra_files", ())), *watching.pop("extra_files", ())]
    if settings.get("reload_engine") == "poll":
        watching.setdefault("reloader_type", "stat")
    certificate = (settings["certfile"], settings.get("keyfile")) if settings.get("certfile") else None
    return {
        "use_reloader": bool(settings.get("reload")),
        "use_debugger": arguments.use_debugger,
        "use_evalex": arguments.use_evalex,
        "threaded": settings.get("threads") != 1,
        "ssl_context": others.get("ssl_context", certificate),
        "extra_files": extra,
        **watching,
    }
