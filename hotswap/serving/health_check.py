"""The setting `check`: a generation sends itself a request before it says that it is ready."""

from __future__ import annotations

import socket
from collections.abc import Callable

from hotswap.errors import BootError

#: How long the answer to the request may take (seconds); boot_timeout ends a hanging boot anyway.
ANSWER_TIMEOUT = 30.0


def check_health(path: str, self_connect: Callable[[], socket.socket]) -> None:
    """Send `GET path` over the connection that `self_connect` makes.

    Raises BootError unless the answer is 2xx or 3xx.
    """
    with self_connect() as ours:
        ours.settimeout(ANSWER_TIMEOUT)
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: hotswap-check\r\nConnection: close\r\n\r\n"
        try:
            ours.sendall(request.encode("ascii"))
            status = ours.makefile("rb").readline(200).decode("latin-1").strip()
        except OSError as error:
            raise BootError(f"the check of {path} was not answered ({error})") from error
    words = status.split(" ", 2)
    if len(words) < 2 or not words[1].startswith(("2", "3")):
        raise BootError(f"the check of {path} failed: the application answered {status or 'nothing'!r}")
