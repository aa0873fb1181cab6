"""Accepting connections from listeners."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from hotswap.engine.connections.connection import Connection, Site

if TYPE_CHECKING:
    from hotswap.engine.connections.listener_polling import ListenerPolling
    from hotswap.engine.connections.pollables import Pollables
    from hotswap.engine.connections.state import EngineState

#: No descriptor, no memory: it is the system that is full, and polling on would spin.
_FULL = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Acceptor:
    """Accepts for all listeners of an engine, on the leading thread; and, once, until they are empty.

    `welcome` gets each new connection, and owns it then.
    """

    def __init__(
        self,
        state: EngineState,
        pollables: Pollables,
        listeners: ListenerPolling,
        sites: Iterable[Site],
        welcome: Callable[[Connection], None],
    ) -> None:
        self._state = state
        self._listeners = listeners
        self._welcome = welcome
        self._listening = {site.listener.fileno(): (site, site.listener) for site in sites if site.listener is not None}
        for fd in self._listening:
            pollables.know(fd, self._accept)

    def empty(self) -> None:
        """Accept everything that waits, once more after the last poll: no other process would see it in time.

        Called by a thread that has stopped the listeners.
        """
        for site, listener in self._listening.values():
            with contextlib.suppress(OSError):  # its owner, or the application, has closed it: then it is empty
                while self._take(site, listener):
                    pass

    def _accept(self, fd: int) -> None:
        site, listener = self._listening[fd]
        for _ in range(self._state.limits.accepts):
            if not self._listeners.open:
                return
            if self._listeners.full:
                live = len(self._state.live)
                self._listeners.wait_for_room(f"{live} connections are open (see worker_connections, and ulimit -n)")
                return
            if not self._take(site, listener):
                return

    def _take(self, site: Site, listener: socket.socket) -> bool:
        """Accept one connection. False: none is there, or there is no room."""
        try:
            sock, peer = listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno in _FULL:
                self._listeners.wait_for_room(f"cannot accept ({error.strerror})")
                return False
            if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise
            return True  # that client has gone, or the network between: the next one
        sock.setblocking(False)
        self._state.counters.accepted += 1
        self._welcome(Connection(sock, site, peer))
        return True
