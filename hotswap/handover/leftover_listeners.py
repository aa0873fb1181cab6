"""Listeners that only a leaving process has: a deploy has dropped their address. Clients may still connect to them."""

from __future__ import annotations

import errno

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

    def release(self) -> None:
        """They are about to be closed for good: serve the clients that are there."""
        for fd in list(self._services):
            self._engine.remove_source(fd)
            while self._accept(fd):
                pass
            del self._services[fd]

    def empty(self, service: Service) -> None:
        """The same for a listener that is accepted from no more, by any process."""
        if service.sock is not None and service.sock.fileno() >= 0:
            self._services[service.sock.fileno()] = service
            self.release()

    def forget(self) -> None:
        """The engine itself accepts from them again."""
        for fd in list(self._services):
            self._engine.remove_source(fd)
            del self._services[fd]

    def _on_readable(self, fd: int) -> None:
        self._accept(fd)

    def _accept(self, fd: int) -> bool:
        """Accept one connection; False if none waits, or there is no room for it."""
        service = self._services[fd]
        if service.sock is None:
            return False
        try:
            sock, peer = service.sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            return False
        sock.setblocking(False)
        self._engine.adopt([Moved(sock, service.key, peer, fresh=True)])
        return True
