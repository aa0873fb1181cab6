"""A request as the ASGI engine has it: what its head says, and its scope."""

from __future__ import annotations

from hotswap.engine.http1.request import Request
from hotswap.engine.values import Environ


class AsgiRequest(Request):
    """One request. `scope["type"]` says whether it is one of HTTP or of a websocket."""

    __slots__ = ("scope",)

    scope: Environ  # given by `ScopeReader`

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
