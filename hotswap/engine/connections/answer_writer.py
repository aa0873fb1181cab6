"""Answers that are complete in memory, written by the loop as the client takes them."""

from __future__ import annotations

import select
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from hotswap.engine.connections.connection import WRITE, Connection
from hotswap.engine.connections.poller import WRITABLE
from hotswap.engine.http1.error_page import Refusal, page

if TYPE_CHECKING:
    from hotswap.engine.connections.idle import IdleConnections
    from hotswap.engine.connections.table import ConnectionTable

KEEP, CLOSE, FLUSH, DROP = range(4)  #: what is to be done with a connection after a call of the application
_DISCARD = 1 << 16  # bytes read at once from a connection that is being closed


class PendingAnswer:
    """The rest of an answer that is complete in memory. `keep`: the connection stays open behind it."""

    __slots__ = ("keep", "parts")

    def __init__(self, keep: bool, *parts: memoryview) -> None:
        self.keep = keep
        self.parts = deque(parts)

    def send(self, sock: Any) -> bool:
        """Send what the client takes now; True when all is sent. Raises OSError."""
        parts = self.parts
        while parts:
            try:
                sent = sock.send(parts[0])
            except BlockingIOError:
                return False
            if sent < len(parts[0]):
                parts[0] = parts[0][sent:]
            else:
                parts.popleft()
        return True

    @property
    def left(self) -> tuple[int, int]:
        """Changes whenever the client has taken something."""
        return len(self.parts), len(self.parts[0]) if self.parts else 0


def error_answer(code: int, reason: str) -> PendingAnswer:
    """An error page as an answer, with which the connection ends."""
    return PendingAnswer(False, memoryview(page(code, reason)))


class AnswerWriter:
    """Called with connections that the calling thread owns, and owns no longer afterwards. Any thread may call."""

    def __init__(self, table: ConnectionTable, idle: IdleConnections) -> None:
        self._table = table
        self._state = table.state
        self.keep = idle.keep

    def refuse(self, conn: Connection, refusal: Refusal) -> None:
        """Answer with an error and close."""
        self._state.note_refusal(conn, refusal)
        self._state.counters.answered(refusal.code)
        conn.data = b""  # what came behind it is not served
        conn.work = error_answer(refusal.code, str(refusal))
        self.flush(conn)

    def end(self, conn: Connection, outcome: int) -> None:
        """After a call that leaves something to do: one of CLOSE, FLUSH and DROP."""
        if outcome == CLOSE:
            self._table.half_close(conn)
        elif outcome == FLUSH:
            self.flush(conn)
        else:
            self._table.close(conn)

    def flush(self, conn: Connection) -> None:
        """Write what the client takes of the answer in `conn.work`, and go on to what follows it."""
        answer: PendingAnswer = conn.work
        before = answer.left
        try:
            done = answer.send(conn.sock)
        except OSError:
            self._table.close(conn)
            return
        now = monotonic()
        if done:
            if answer.keep:
                self.keep(conn, now)
            else:
                self._table.half_close(conn)
            return
        if conn.phase != WRITE or before != answer.left:
            conn.deadline = now + self._state.limits.write_timeout
        conn.phase = WRITE
        self._table.release(conn, conn.waits_for(WRITABLE))

    def await_fin(self, conn: Connection, mask: int) -> None:
        """Throw away what still comes until the peer has closed its side. `mask` is what epoll said."""
        try:
            data = conn.sock.recv(_DISCARD)
        except BlockingIOError:
            data = b"-"
        except OSError:
            data = b""
        if not data or mask & select.EPOLLHUP:
            self._table.close(conn)
        else:
            self._table.release(conn)
