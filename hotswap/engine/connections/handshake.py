"""TLS handshakes, taken by the loop a step at a time: a client that does not go on holds up no other."""

from __future__ import annotations

import ssl
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connections.answer_writer import error_answer
from hotswap.engine.connections.connection import HANDSHAKE, Connection
from hotswap.engine.transport.tls import TlsSocket

if TYPE_CHECKING:
    from hotswap.engine.connections.answer_writer import AnswerWriter
    from hotswap.engine.connections.table import ConnectionTable
    from hotswap.engine.transport.tls import ServerTls

#: OpenSSL's words for a first record that is a request.
_PLAIN_HTTP = frozenset(("HTTP_REQUEST", "HTTPS_PROXY_REQUEST"))


class Handshakes:
    """Greets every connection that was accepted, for as long as the head of a request may take."""

    def __init__(self, table: ConnectionTable, writer: AnswerWriter, tls: ServerTls) -> None:
        self._table = table
        self._state = table.state
        self._writer = writer
        self._tls = tls

    def welcome(self, conn: Connection) -> None:
        """A new connection: wait for its first bytes. Until they come it costs no more than a plain one."""
        self._table.add(conn)
        with self._table.owning(conn):
            conn.tls = True
            conn.phase = HANDSHAKE
            conn.deadline = monotonic() + self._state.limits.head_timeout
            self._table.release(conn)

    def step(self, conn: Connection) -> None:
        """Bytes of a handshake. On the leading thread, which has acquired the connection."""
        table = self._table
        try:
            if not isinstance(conn.sock, TlsSocket):
                conn.sock = self._tls.wrap(conn.sock)
            conn.sock.handshake()
        except BlockingIOError:
            table.release(conn, conn.waits_for())
        except ssl.SSLError as error:
            self._failed(conn, error)
        except (OSError, ValueError):  # it has gone; ssl has a ValueError for a socket that is not connected any more
            table.close(conn)
        else:
            self._writer.keep(conn, monotonic(), self._state.limits.head_timeout)

    def _failed(self, conn: Connection, error: ssl.SSLError) -> None:
        self._state.counters.refused += 1
        # No warning: every port scan does this.
        self._state.log.debug("TLS handshake with %s failed: %s", conn.peer, error)
        if error.reason in _PLAIN_HTTP and isinstance(conn.sock, TlsSocket):
            conn.sock = conn.sock.plain()
            conn.work = error_answer(400, "This port speaks HTTPS: use https:// instead.")
            self._writer.flush(conn)
        else:
            self._table.half_close(conn)  # not close: the alert that says why is on its way
