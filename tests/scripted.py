"""A tiny HTTP server for tests of test tools: it answers well, or misbehaves exactly as it is told."""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.eventually import eventually
from tests.traffic.kinds import streamed

Behaviour = Callable[["Peer"], None]


@dataclass(frozen=True)
class Request:
    """What a client asked: method, target, body, and whether the connection is to be closed after it."""

    method: str
    target: str
    body: bytes
    close: bool

    @property
    def token(self) -> str:
        """The last part of the target: the clients put it there."""
        return re.split(r"[/?]", self.target)[-1]


class Peer:
    """One accepted connection, as a behaviour sees it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def request(self) -> Request | None:
        """The next whole request; None when the client has closed."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        size = int(length[1]) if length else 0
        while len(self._buffer) < size:
            if not self._more():
                return None
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        return Request(method, target, body, b"Connection: close" in head)

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        self._buffer += data
        return bool(data)

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        self.sock.sendall(data)

    def answer(self, body: bytes, *fields: str, status: str = "200 OK") -> None:
        """A whole answer with a Content-Length."""
        self.send(whole(body, *fields, status=status))

    def serve(self) -> None:
        """Answers like a good server until the client closes, or wants to be closed."""
        while (request := self.request()) is not None:
            self.answer(good_body(request), "X-Version: 1", "X-Generation: 1")
            if request.close:
                return

    def await_close(self) -> None:
        """Waits until the client has closed its end."""
        while self._more():
            pass

    def reset_when_read(self) -> None:
        """Ends the connection with an RST as soon as the client has taken what was sent: the RST destroys the rest."""
        eventually(lambda: _unread(self.sock) == 0, "the client reads nothing")
        self.reset()

    def reset(self) -> None:
        """Ends the connection with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def _unread(sock: socket.socket) -> int:
    """Bytes that wait in the receive queue at the other end, which must be on this machine (proc_net_tcp(5))."""
    ours, theirs = sock.getsockname()[1], sock.getpeername()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues = line.split()[:5]
        if int(local[-4:], 16) == theirs and int(remote[-4:], 16) == ours:
            return int(queues.partition(":")[2], 16)
    return 0


def whole(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """An answer as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def good_body(request: Request) -> bytes:
    """What a server in order answers with."""
    if request.method == "POST":
        return hashlib.sha256(request.body).hexdigest().encode()
    if match := re.match(r"/stream/(\d+)\?", request.target):
        return streamed(request.token, int(match[1]))
    return f"hello {request.token}".encode()


class ScriptedServer:
    """Listens on a free port, or on a unix path, and runs `behave` on every connection, in a thread each."""

    def __init__(self, behave: Behaviour = Peer.serve, *, path: str = "") -> None:
        self._behave = behave
        self._listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self._listener.bind(path or ("127.0.0.1", 0))
        self._listener.listen(64)
        self._peers: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.address = f"unix:{path}" if path else f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.accepted = 0

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._peers.append(sock)
            threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock: socket.socket) -> None:
        try:
            self._behave(Peer(sock))
        except OSError:
            pass  # the client went away first
        finally:
            sock.close()

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # close() alone does not wake a thread in accept()
        self._listener.close()
        self._thread.join(5)
        for sock in self._peers:
            sock.close()
