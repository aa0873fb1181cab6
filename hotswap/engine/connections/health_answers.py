"""Health: what load balancers ask, answered by the engine itself, on the leading thread.

So it says whether this server takes new clients, whatever the application does, and also when all threads are busy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hotswap.engine.connections.answer_writer import PendingAnswer
from hotswap.engine.http1.response_head import ResponseHead

if TYPE_CHECKING:
    from hotswap.engine.connections.answer_writer import AnswerWriter
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.reader import Reader
    from hotswap.engine.connections.state import EngineState
    from hotswap.engine.http1.request import Request

_HEADERS = [("Content-Type", "text/plain"), ("Cache-Control", "no-store")]
_OK = ("200 OK", [*_HEADERS, ("Content-Length", "3")], b"ok\n")
_LEAVES = ("503 Service Unavailable", [*_HEADERS, ("Content-Length", "9")], b"draining\n")


class HealthReader:
    """Stands in front of a reader, where there is a health path: hands on all requests but those.

    A request that is more than a question (another method, a body, an upgrade) is the application's. So is the one by
    which a generation checks itself before it accepts.
    """

    def __init__(self, reader: Reader, state: EngineState, writer: AnswerWriter, path: str) -> None:
        self._read = reader.read
        self._state = state
        self._writer = writer
        self._path = path

    def read(self, conn: Connection) -> Any:
        """See `RequestReader.read`."""
        request = self._read(conn)
        if request is None or request.path != self._path or not self._is_question(request):
            return request
        self._state.counters.health += 1
        conn.work = self._answer(conn, request)
        self._writer.flush(conn)
        return None

    def _is_question(self, request: Request) -> bool:
        more = request.length or request.expect or request.upgrade
        return self._state.has_opened and request.method in ("GET", "HEAD") and not more

    def _answer(self, conn: Connection, request: Request) -> PendingAnswer:
        state = self._state
        is_last = (conn.closing or state.draining) and not conn.data  # as with any other answer
        head = ResponseHead(request, request.keep_alive and state.keepalive and not is_last)
        status, headers, body = _LEAVES if self._leaves() else _OK
        head.take(status, headers)
        made = head.make(len(body))
        return PendingAnswer(head.keep, memoryview(made if head.omit else made + body))

    def _leaves(self) -> bool:
        """Whether the whole server does: one that only hands over to another process is not missed."""
        return self._state.draining or self._state.lame_duck
