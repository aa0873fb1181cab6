"""What uvicorn's worker needs to leave without losing a request. uvicorn itself is not imported here."""

from __future__ import annotations

import ssl
from typing import Any

#: Where its worker classes are: the package of their own, and uvicorn's older place for them.
MODULES = ("uvicorn_worker._workers", "uvicorn.workers")
#: How long a leaving worker waits for one more request on a connection (seconds), as gunicorn's gthread does.
LINGER = 2.0


def prepare(config: Any, app: Any, context: ssl.SSLContext | None) -> None:
    """Load a uvicorn.Config, which its server would do later, and have its connections linger.

    `context` is what it has for TLS, unless the worker's class has its own: uvicorn would read the files now, and this
    worker may have no right to them.
    """
    config.app = app
    if context is None or getattr(config, "ssl_context_factory", None) is not None:
        config.load()
    else:
        config.ssl_certfile = config.ssl_keyfile = None
        config.load()
        config.ssl = context
    config.http_protocol_class = lingering(config.http_protocol_class)


def lingering(protocol: type[Any]) -> type[Any]:
    """A protocol class of uvicorn's that does not close a connection on which a request may be on its way.

    `shutdown` closes every connection that has no unfinished request, also one that has just been accepted, and whose
    request waits in the socket (uvicorn/protocols/http/httptools_impl.py and h11_impl.py): its client is reset.
    """

    class Lingering(protocol):  # type: ignore[misc]  # of a package that may not be there
        leaves = False

        def shutdown(self) -> None:
            self.leaves = True
            if self.cycle is None or self.cycle.response_complete:
                self.loop.call_later(LINGER, self._has_lingered)
            else:
                super().shutdown()

        def _has_lingered(self) -> None:
            if not self.transport.is_closing():
                super().shutdown()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.leaves and self.cycle is not None and not self.cycle.response_complete:
                # What `shutdown` does with a request that runs: its answer says that it is the last.
                self.cycle.keep_alive = False

    return Lingering
