"""Listeners that only a leaving process has: a deploy has dropped their address. Clients may still connect to them."""

from __future__ import annotations

import contextlib
import errno
import functools
import sys
from collections.abc import Callable, Iterator

from hotswap.engine import Engine, Moved, Service

#: What keeps a connection from being accepted now, and not for ever (accept(2)).
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class LeftoverListeners:
    """Accepts from them, while the engine leaves, until they are closed. Main thread, but for the accepting itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._services: dict[int, Service] = {}

    def keep_emptying(self, service: Service) -> None:
        """Clients that connect to this listener until it is closed are answered here."""
        if service.sock is None or service.sock.fileno() < 0 or service.sock.fileno() in self._services:
            return
        self._services[service.sock.fileno()] = service
        self._engine.add_source(service.sock.fileno(), self._on_readable)

    def add(self, service: Service) -> None:
        """No process accepts from this listener any more: `close` is to look whether clients wait there."""
        if service.sock is not None and service.sock.fileno() >= 0:
            self._services[service.sock.fileno()] = service

    def close(self, close: Callable[[], object]) -> None:
        """Close them for good, by `close`, whatever fails: first what waits there is accepted, afterwards it is served.

        The kernel resets clients that come between the last look and the close(2). So no work lies in between, and
        this thread waits for no other one.
        """
        arrivals: list[Moved] = []
        with _first_in_line():
            try:
                for fd, service in self._services.items():
                    self._engine.remove_source(fd)
                    arrivals += iter(functools.partial(_accepted, service), None)
            finally:
                close()
                self._services.clear()
        self._engine.adopt(arrivals)

    def forget(self) -> None:
        """The engine itself accepts from them again."""
        for fd in list(self._services):
            self._engine.remove_source(fd)
            del self._services[fd]

    def _on_readable(self, fd: int) -> None:
        if arrival := _accepted(self._services[fd]):
            self._engine.adopt([arrival])


def _accepted(service: Service) -> Moved | None:
    """One connection that waited; None if none does, or there is no room for it."""
    if service.sock is None:
        return None
    try:
        sock, peer = service.sock.accept()
    except (BlockingIOError, ConnectionAbortedError):
        return None
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        return None
    sock.setblocking(False)
    return Moved(sock, service.key, peer, fresh=True)


@contextlib.contextmanager
def _first_in_line() -> Iterator[None]:
    """Inside, this thread has the GIL back from threads that compute as soon as a system call has returned."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
