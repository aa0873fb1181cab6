"""What is the same in every request's WSGI environ of a service, made once (PEP 3333, with gunicorn's additions)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hotswap.engine.response import SERVER, FileWrapper

if TYPE_CHECKING:
    from hotswap.engine.model import Environ, Service


class ErrorStream:
    """`wsgi.errors`: to wherever gunicorn's error log goes now, also after the log files were reopened."""

    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg

    def write(self, text: str) -> int:
        from gunicorn.http.wsgi import WSGIErrorsWrapper  # rarely needed, so not part of every start

        WSGIErrorsWrapper(self._cfg).write(text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Every write is flushed already."""


def base_environ(service: Service, cfg: Any, *, multithread: bool, multiprocess: bool) -> Environ:
    """The part of the environ that no request changes; copied for each."""
    name, port = service.server
    return {
        "SCRIPT_NAME": os.environ.get("SCRIPT_NAME", ""),
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": SERVER,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if cfg.is_ssl else "http",
        "wsgi.errors": ErrorStream(cfg),
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }
