"""One websocket without input and output: its handshake, the messages in its frames, and the frames that are sent.

The library websockets does the protocol (RFC 6455) and its compression (RFC 7692); what is here fits it to an engine
that has read the head of the request already, and takes messages together.
"""

from __future__ import annotations

import codecs
import contextlib
import logging
import os
from typing import TYPE_CHECKING

from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

if TYPE_CHECKING:
    from hotswap.engine.http1.request import Fields

#: Codes of RFC 6455, section 7.4.1.
BAD_DATA, INTERNAL_ERROR = 1007, 1011
#: What stands for a code where none was received: no close frame came at all (section 7.1.5).
ABNORMAL = 1006
#: As uvicorn has it: a window of 4 KiB for each direction of each connection, where zlib would take 32.
_DEFLATE = ServerPerMessageDeflateFactory(
    server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
)
#: The fields that the handshake is about (section 4.2.1); the application has them all in its scope.
_VERSION = b"13"
_HANDSHAKE = frozenset((b"host", b"upgrade", b"connection"))

_log = logging.getLogger("hotswap.websockets")
_log.disabled = True  # the library logs each opening and closing at level info


class _Protocol(ServerProtocol):
    """The library's, but for this: a client may close between the frames of a message (RFC 6455, section 5.4)."""

    def recv_frame(self, frame: Frame) -> None:
        """See there. It would take such a close for a protocol error."""
        if frame.opcode is Opcode.CLOSE:
            self.current_size = self.cur_size = None  # the latter up to version 15
        super().recv_frame(frame)


class WebsocketFrames:
    """The server's side of one websocket. After each call, what `out` returns is to be sent.

    `ends`: the connection is to be closed when that is sent. `fields` are the request's, names in lower case;
    `max_size` is that of a message (bytes).
    """

    def __init__(self, fields: Fields, *, max_size: int, deflate: bool) -> None:
        self._conn = _Protocol(extensions=[_DEFLATE] if deflate else None, max_size=max_size, logger=_log)
        self._answer = self._judge(fields)
        self._speaks_our_version = (b"sec-websocket-version", _VERSION) in fields
        self.ends = False
        self._decoder: codecs.IncrementalDecoder | None = None  # which sees that a text is UTF-8
        #: What has come of a message in pieces. No list of them: they may be many, and empty (section 5.4).
        self._content = bytearray()
        self._ping: bytes | None = None  # which has not been answered

    # the handshake

    def _judge(self, fields: Fields) -> Response:
        lines = [b"%b: %b\r\n" % field for field in fields if field[0] in _HANDSHAKE or field[0].startswith(b"sec-")]
        self._conn.receive_data(b"GET / HTTP/1.1\r\n%b\r\n" % b"".join(lines))
        for request in self._conn.events_received():
            if isinstance(request, Request):
                return self._conn.accept(request)
        # The engine's reader lets heads pass that the library's has limits for.
        return self._conn.reject(400, "")

    @property
    def refusal(self) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        """What to answer if this is no handshake: status, fields and body. None if it is one."""
        answer = self._answer
        if not self._speaks_our_version:
            return 426, [(b"sec-websocket-version", _VERSION), (b"upgrade", b"websocket")], b""
        if answer.status_code == 101:
            return None
        fields = [(name.lower().encode(), value.encode()) for name, value in answer.headers.raw_items()]
        dropped = (b"date", b"connection", b"content-length")
        return answer.status_code, [field for field in fields if field[0] not in dropped], bytes(answer.body or b"")

    def accept(self) -> bytes:
        """The websocket is open. Returns the lines that its answer must have (section 4.2.2), each with CRLF in front,
        but for those that the application or the server adds."""
        self._conn.send_response(self._answer)
        self._conn.data_to_send()
        fields = self._answer.headers.raw_items()
        return b"".join(f"\r\n{name.lower()}: {value}".encode() for name, value in fields if name.lower() != "date")

    # what comes

    def feed(self, data: bytes) -> list[str | bytes]:
        """Take what the client has sent; return the messages that it completes."""
        messages: list[str | bytes] = []
        self._conn.receive_data(data)
        for frame in self._conn.events_received():
            if not isinstance(frame, Frame):
                continue
            if frame.opcode is Opcode.PONG:
                if bytes(frame.data) == self._ping:
                    self._ping = None
            elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT) and not self._is_closing:
                message = self._take(frame)
                if message is not None:
                    messages.append(message)
        return messages

    def _take(self, frame: Frame) -> str | bytes | None:
        data = bytes(frame.data)
        try:
            if frame.opcode is Opcode.CONT:
                self._add(data, last=frame.fin)
            elif frame.fin:
                return str(data, "utf-8") if frame.opcode is Opcode.TEXT else data
            else:
                self._begin(frame.opcode)
                self._add(data, last=False)
        except UnicodeDecodeError:
            # At the first piece that is wrong: the rest may be long (section 8.1).
            self._conn.fail(BAD_DATA, "invalid UTF-8")
            return None
        return self._whole() if frame.fin else None

    def _begin(self, opcode: Opcode) -> None:
        """A message in pieces begins."""
        self._decoder = codecs.getincrementaldecoder("utf-8")() if opcode is Opcode.TEXT else None
        self._content = bytearray()

    def _add(self, data: bytes, *, last: bool) -> None:
        """A piece of it. Raises UnicodeDecodeError."""
        if self._decoder is not None:
            self._decoder.decode(data, last)
        self._content += data

    def _whole(self) -> str | bytes:
        """The message that is complete now, and forgotten here."""
        content, self._content = self._content, bytearray()
        return bytes(content) if self._decoder is None else str(content, "utf-8")

    @property
    def _is_closing(self) -> bool:
        """A close frame was sent: what the client sends after that is no message any more."""
        return self._conn.close_sent is not None

    @property
    def closed(self) -> tuple[int, str] | None:
        """The code and the reason with which it ends: the client's, or else ours; None while it is open."""
        close = self._conn.close_rcvd or self._conn.close_sent
        return None if close is None else (int(close.code), close.reason)

    # what goes

    def send(self, message: str | bytes) -> bool:
        """Send a message; False if the websocket is not open any more."""
        try:
            if isinstance(message, str):
                self._conn.send_text(message.encode())
            else:
                self._conn.send_binary(message)
        except InvalidState:
            return False
        return True

    def close(self, code: int, reason: str = "") -> bool:
        """Begin the closing handshake; False if it has begun. Raises ProtocolError for a code that may not be sent."""
        try:
            self._conn.send_close(code, reason)
        except InvalidState:
            return False
        return True

    def fail(self, code: int, reason: str = "") -> None:
        """Say why, and wait for no answer."""
        self._conn.fail(code, reason)

    def ping(self) -> None:
        """Ask whether the client is there, if the last question was answered and the websocket is open."""
        if self._ping is None:
            ping = os.urandom(4)
            with contextlib.suppress(InvalidState):
                self._conn.send_ping(ping)
                self._ping = ping

    @property
    def is_asked(self) -> bool:
        """Whether a ping has not been answered."""
        return self._ping is not None

    def out(self) -> bytes:
        """What is to be sent now."""
        pieces = self._conn.data_to_send()
        self.ends = self.ends or b"" in pieces
        return b"".join(pieces)
