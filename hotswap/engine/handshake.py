"""TLS handshakes, taken by the loop a step at a time: a client that does not go on holds up nobody."""

from __future__ import annotations

import ssl
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connection import HANDSHAKE, Connection
from hotswap.engine.refusal import page
from hotswap.engine.response import Outbox
from hotswap.engine.tls import TlsSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from hotswap.engine.core import Core

#: OpenSSL's words for a first record that is a request.
_PLAIN_HTTP = frozenset(("HTTP_REQUEST", "HTTPS_PROXY_REQUEST"))


class Handshakes:
    """Greets every connection that was accepted, for as long as the head of a request may take."""

    def __init__(self, core: Core, context: ssl.SSLContext, *, ragged: bool) -> None:
        self._core = core
        self._context = context
        self._ragged = ragged
        self.flush: Callable[[Connection], None]

    def begin(self, conn: Connection) -> None:
        """A new connection: wait for its first bytes. Until they come it costs no more than a plain one."""
        conn.tls = True
        conn.phase = HANDSHAKE
        conn.deadline = monotonic() + self._core.limits.head_timeout
        self._core.put_back(conn)

    def step(self, conn: Connection) -> None:
        """Bytes of a handshake. The caller owns the connection."""
        core = self._core
        try:
            if not isinstance(conn.sock, TlsSocket):
                conn.sock = TlsSocket.wrap(conn.sock, self._context, ragged=self._ragged)
            conn.sock.handshake()
        except BlockingIOError:
            core.put_back(conn, conn.waits_for())
        except ssl.SSLError as error:
            self._failed(conn, error)
        except (OSError, ValueError):  # it has gone; ssl has a ValueError for a socket that is not connected any more
            core.drop(conn)
        else:
            core.idle(conn, monotonic(), core.limits.head_timeout)

    def _failed(self, conn: Connection, error: ssl.SSLError) -> None:
        core = self._core
        core.counters.refused += 1
        # No warning: every port scan does this.
        core.log.debug("TLS handshake with %s failed: %s", conn.peer, error)
        if error.reason in _PLAIN_HTTP and isinstance(conn.sock, TlsSocket):
            conn.sock = conn.sock.plain()
            conn.work = Outbox(False, (memoryview(page(400, "This port speaks HTTPS: use https:// instead.")),))
            self.flush(conn)
        else:
            core.finish(conn)  # not drop: the alert that says why is on its way
