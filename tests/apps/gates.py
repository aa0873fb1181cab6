"""Moments at which a program waits until the test opens a gate: for BELOW and LAST in plain.py."""

from __future__ import annotations

import logging
import os
import signal
import socket
from typing import Any

import hotswap
from tests.apps.early import gate as gate
from tests.apps.early import wait_for_file


def importing() -> None:
    """A successor, at its import."""
    if hotswap.generation > 1:
        gate(f"import of {hotswap.generation}")


def until_go(last: int = 99) -> None:
    """Successors up to that generation, at their import, until there is a file "go"."""
    if 1 < hotswap.generation <= last:
        print("hanging", flush=True)
        wait_for_file("go")


def before_ready() -> None:
    """A successor, before it accepts; it says when it has told its predecessor."""

    @hotswap.on("begin")
    def begin(_address: object) -> None:
        if hotswap.generation > 1:
            gate(f"before ready of {hotswap.generation}")

    @hotswap.on("ready")
    def ready(_server: object) -> None:
        print(f"{hotswap.generation} has sent its SIGTERM", flush=True)


def without_its_pid_file() -> None:
    """The same, and then what is to be renamed to the pid file is gone, as a cleaner of old files does it."""

    @hotswap.on("begin")
    def begin(_address: object) -> None:
        if hotswap.generation > 1:
            gate("begin")
            os.unlink(f"app.pid.{os.getpid()}.tmp")


def pid_file_written() -> None:
    """Generation 2, between its pid in the pid file and its ready message: the log line there tells the moment."""

    def between(record: logging.LogRecord) -> bool:
        if hotswap.generation == 2 and " serving at " in record.getMessage():
            gate("pid file written")
        return True

    @hotswap.on("starting")
    def starting(_server: object) -> None:
        logging.getLogger("gunicorn.error").addFilter(between)


def retiring() -> None:
    """A generation that is told to retire."""
    hotswap.on("retiring")(lambda _server: gate("retiring"))


def draining() -> None:
    """A server that stops."""
    hotswap.on("draining")(lambda _server: gate("callback"))


def retired() -> None:
    """Generation 1 has retired, and its last callback runs."""

    @hotswap.on("stopped")
    def stopped(_server: object, _how: object) -> None:
        if hotswap.generation == 1:
            gate("retired")


def late_sigterm() -> None:
    """Generation 2 has said that it is ready, and takes its time before it sends the SIGTERM."""
    send = signal.pidfd_send_signal

    def late(pidfd: int, number: int) -> None:
        if hotswap.generation == 2 and number == signal.SIGTERM:
            gate("late")
        send(pidfd, number)

    signal.pidfd_send_signal = late  # type: ignore[assignment]


def after_serve() -> None:
    """When serve() has returned."""
    gate("after serve")
    print("the end", flush=True)


def closing() -> None:
    """Where a listener is closed, in the server process and in workers, when there is a file "armed"."""
    server, close = os.getpid(), socket.socket.close

    def closes(sock: Any) -> None:
        if sock.fileno() >= 0 and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and os.path.exists("armed"):
            gate(f"close in the {'server process' if os.getpid() == server else 'worker'}")
        close(sock)

    socket.socket.close = closes  # type: ignore[method-assign, assignment]
