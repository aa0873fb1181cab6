"""Load from websockets, each of which sends a message, waits until it comes back, and sends it again.

wrk has no websockets, so this is Python: with one frame that is made once and sent again and again, a message costs it
some microseconds, a small part of what it costs the server.
"""

from __future__ import annotations

import base64
import hashlib
import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.errors import BenchmarkError
from benchmarks.load import Load
from benchmarks.workloads import Echo

_TIMEOUT = 10.0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE = 0x81, 0x88  # whole messages (RFC 6455, 5.2)
_LONGEST = 125  # bytes of a message whose length stands in the frame's second byte
_MASK = bytes(4)  # a client must mask, and this mask changes nothing
_HEAD = 64 * 1024


def check_echo(address: str, echo: Echo) -> int:
    """Sends one message, compares what comes back, and gives the length of its frame.

    Raises:
        BenchmarkError: the websocket does not open, or anything else came back.
    """
    with _Websocket(address, echo) as websocket:
        websocket.send()
        while not websocket.receive():
            pass
        return len(websocket.expected)


def echo_load(address: str, echo: Echo, clients: int, seconds: float) -> Load:
    """What that many websockets found in that time. Every message that came back was compared.

    Raises:
        BenchmarkError: a websocket did not open, was closed, or anything else came back.
    """
    with _opened(address, echo, clients) as websockets:
        waits, seconds = _exchange(websockets, seconds)
    waits.sort()
    size = len(websockets[0].expected)
    return Load(len(waits), seconds, size * len(waits), _share(waits, 0.5), _share(waits, 0.99), {})


@contextmanager
def _opened(address: str, echo: Echo, clients: int) -> Iterator[list[_Websocket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(_Websocket(address, echo)) for _ in range(clients)]


def _exchange(websockets: list[_Websocket], seconds: float) -> tuple[list[float], float]:
    """How long each message took to come back (milliseconds), and how long it all took (seconds)."""
    waits: list[float] = []
    with select.epoll() as poller:
        by_number = {websocket.fileno(): websocket for websocket in websockets}
        for number in by_number:
            poller.register(number, select.EPOLLIN)
        began = time.perf_counter()
        for websocket in websockets:
            websocket.send()
        under_way = len(websockets)
        while under_way:
            ready = poller.poll(_TIMEOUT)
            if not ready:
                raise BenchmarkError(f"{under_way} messages had not come back after {_TIMEOUT:g} s")
            goes_on = time.perf_counter() - began < seconds
            for number, _ in ready:
                websocket = by_number[number]
                if websocket.receive():
                    waits.append(1000 * (time.perf_counter() - websocket.sent))
                    if goes_on:
                        websocket.send()
                    else:
                        under_way -= 1
        return waits, time.perf_counter() - began


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


class _Websocket:
    """A client's end: a context in which it is open."""

    def __init__(self, address: str, echo: Echo) -> None:
        payload = echo.message.encode()
        assert len(payload) <= _LONGEST, "the length of a longer message is written in another way"
        self._address = address
        self._path = echo.path
        self._frame = bytes((_TEXT, 0x80 | len(payload))) + _MASK + payload
        self.expected = bytes((_TEXT, len(payload))) + payload
        self._received = b""
        self.sent = 0.0
        """When it last sent (time.perf_counter)."""

    def __enter__(self) -> _Websocket:
        host, _, port = self._address.rpartition(":")
        try:
            self._sock = socket.create_connection((host, int(port)), _TIMEOUT)
        except OSError as error:
            raise BenchmarkError(f"{self._path} did not open a websocket: {error!r}") from error
        try:
            self._open()
        except BaseException:
            self._sock.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # A server that is not told writes an error for each.
        try:
            self._sock.sendall(bytes((_CLOSE, 0x80 | 2)) + _MASK + (1000).to_bytes(2, "big"))
        except OSError:
            pass
        self._sock.close()

    def fileno(self) -> int:
        """Of its socket."""
        return self._sock.fileno()

    def send(self) -> None:
        """Sends the message.

        Raises:
            BenchmarkError: the server has closed.
        """
        self.sent = time.perf_counter()
        try:
            self._sock.sendall(self._frame)
        except OSError as error:
            raise BenchmarkError(f"{self._path} took no message: {error!r}") from error

    def receive(self) -> bool:
        """Reads what has come; whether that is the whole message.

        Raises:
            BenchmarkError: it is something else.
        """
        try:
            self._received += self._sock.recv(_HEAD)
        except OSError as error:
            raise BenchmarkError(f"{self._path} sent no message back: {error!r}") from error
        if self._received == self.expected:
            self._received = b""
            return True
        if not self._received or not self.expected.startswith(self._received):
            raise BenchmarkError(f"{self._path} sent {self._received!r} back instead of {self.expected!r}")
        return False

    def _open(self) -> None:
        key = base64.b64encode(os.urandom(16))
        lines = [f"GET {self._path} HTTP/1.1", f"Host: {self._address}", "Connection: Upgrade", "Upgrade: websocket"]
        lines += [f"Sec-WebSocket-Key: {key.decode()}", "Sec-WebSocket-Version: 13", "", ""]
        head = b""
        try:
            self._sock.sendall("\r\n".join(lines).encode())
            while b"\r\n\r\n" not in head:
                if not (some := self._sock.recv(_HEAD)):
                    break
                head += some
        except OSError as error:
            raise BenchmarkError(f"{self._path} did not open a websocket: {error!r}") from error
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        if not head.startswith(b"HTTP/1.1 101 ") or accept not in head or not head.endswith(b"\r\n\r\n"):
            raise BenchmarkError(f"{self._path} did not open a websocket: {head!r}")
