"""What is the same in every request's WSGI environ of a service, made once (PEP 3333, with gunicorn's additions)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hotswap.engine.connections.connection import Site
from hotswap.engine.http1.response_head import SERVER
from hotswap.engine.wsgi.response import FileWrapper

if TYPE_CHECKING:
    from hotswap.engine.values import Environ, Service
    from hotswap.settings.options import EngineOptions


#: What is in every request's environ, and another value in each.
_OF_REQUESTS = (
    "REQUEST_METHOD", "RAW_URI", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR",
    "wsgi.input", "wsgi.early_hints", "gunicorn.socket", "werkzeug.socket",
)  # fmt: skip


class ErrorStream:
    """`wsgi.errors`: what is written goes where gunicorn's error log goes now, also after log files were reopened."""

    def __init__(self, gunicorn: Any) -> None:
        self._gunicorn = gunicorn

    def write(self, text: str) -> int:
        from gunicorn.http.wsgi import WSGIErrorsWrapper  # rarely needed, so not part of every start

        WSGIErrorsWrapper(self._gunicorn).write(text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Every write is flushed already."""


def sites_of(services: Sequence[Service], options: EngineOptions, *, multiprocess: bool) -> dict[str, Site]:
    """The services as the engine serves them, by their keys. `multiprocess`: sibling processes serve them too."""
    return {
        service.key: Site(
            service.key, service.app, base_environ(service.server, options, multiprocess=multiprocess), service.sock
        )
        for service in services
    }


def base_environ(server: tuple[str, str], options: EngineOptions, *, multiprocess: bool) -> Environ:
    """The part of the environ that no request changes, and places for what each request has; copied for each."""
    name, port = server
    return {
        # Here, because a dict that grows behind its copy costs more than all that is put into it.
        **dict.fromkeys(_OF_REQUESTS),
        "SCRIPT_NAME": os.environ.get("SCRIPT_NAME", ""),
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": SERVER,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if options.tls else "http",
        "wsgi.errors": ErrorStream(options.gunicorn),
        "wsgi.multithread": options.threads > 1,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }
