"""A request as the WSGI engine has it: what its head says, its environ, and how far it has come."""

from __future__ import annotations

from hotswap.engine.http1.request import Request
from hotswap.engine.values import Environ


class WsgiRequest(Request):
    """One request from its head to its answer."""

    __slots__ = ("environ", "upload", "view")

    environ: Environ  # given by `EnvironReader`

    def __init__(self, method: str, uri: str, path: str) -> None:
        # As in Request, whose docstring says why it is not called.
        self.method = method
        self.uri = uri
        self.path = path
        self.http11 = True
        self.keep_alive = True
        self.length = 0
        self.expect = False
        self.upgrade = False
        self.scheme = ""
        self.consumed = 0
        self.started = 0.0
        self.upload = False  # the application's thread reads the body
        self.view: object = None  # what request hooks get of it, where there are hooks

    @property
    def headers(self) -> list[tuple[str, str]]:
        """(name, value) pairs as gunicorn's access log wants them: upper case, dashes."""
        return [(key[5:].replace("_", "-"), value) for key, value in self.environ.items() if key[:5] == "HTTP_"] + [
            (key.replace("_", "-"), self.environ[key])
            for key in ("CONTENT_TYPE", "CONTENT_LENGTH")
            if key in self.environ
        ]
