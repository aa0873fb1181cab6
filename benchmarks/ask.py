"""One request as wrk sends it, and whether its answer is right."""

from __future__ import annotations

import io
import socket
from http.client import HTTPException, HTTPResponse
from typing import Any, cast

from benchmarks.apps.counted import CALLS
from benchmarks.errors import BenchmarkError
from benchmarks.workloads import Ask

_TIMEOUT = 10.0
_SHOWN = 60


def check(address: str, ask: Ask) -> int:
    """Asks, compares the answer, and gives its length with its head.

    Raises:
        BenchmarkError: no answer, or a wrong one.
    """
    body, length = _exchange(address, ask)
    if body != ask.answer:
        raise BenchmarkError(f"{ask.path} answered {_short(body)} instead of {_short(ask.answer)}")
    return length


def calls(address: str) -> int:
    """How often the application was called, this call included.

    Raises:
        BenchmarkError: no answer, or a wrong one.
    """
    body, _ = _exchange(address, Ask(CALLS, b""))
    return int(body)


def _exchange(address: str, ask: Ask) -> tuple[bytes, int]:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _TIMEOUT) as sock:
            sock.sendall(_request(address, ask))
            return _response(sock, ask.path)
    except (OSError, HTTPException) as error:
        raise BenchmarkError(f"{ask.path} was not answered: {error!r}") from error


def _request(address: str, ask: Ask) -> bytes:
    lines = [f"{'POST' if ask.body else 'GET'} {ask.path} HTTP/1.1", f"Host: {address}"]
    if ask.body:
        lines.append(f"Content-Length: {ask.body}")
    return "\r\n".join([*lines, "", ""]).encode() + b"x" * ask.body


def _response(sock: socket.socket, path: str) -> tuple[bytes, int]:
    reader = _Reader(sock)
    response = HTTPResponse(cast(Any, reader))
    response.begin()
    body = response.read()
    if response.status != 200:
        raise BenchmarkError(f"{path} answered {response.status} {_short(body)}")
    return body, reader.bytes


class _Reader(io.RawIOBase):
    """A socket for HTTPResponse that counts what is read from it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = self._sock.recv_into(buffer)
        self.bytes += got
        return got

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def _short(body: bytes) -> str:
    return repr(body) if len(body) <= _SHOWN else f"{body[:_SHOWN]!r}... ({len(body)} bytes)"
