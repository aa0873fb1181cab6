"""A check of workers that cannot be handed a connection: one more of them, with a listener of its own.

It is forked, and loads, as the others; but it is told to accept before them, answers the check's request, and leaves.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from hotswap.crew.member import Stage
from hotswap.crew.seat import Seat
from hotswap.crew.supervisor import Supervisor
from hotswap.errors import BootError
from hotswap.settings import Config
from hotswap.system import listeners
from hotswap.system.addresses import parse
from hotswap.system.waiter import Waiter

#: What clients of the real listeners may have to say first, and a check does not.
_PLAIN = {"certfile": None, "keyfile": None, "proxy_protocol": "off"}


class Trial:
    """Forks the worker, and has it leave. Both are called by the server process, at boot."""

    def __init__(self, supervisor: Supervisor, waiter: Waiter, cfg: Config) -> None:
        self._supervisor = supervisor
        self._waiter = waiter
        self._cfg = cfg
        self._seat: Seat | None = None

    def begin(self) -> socket.socket:
        """A connection to it. Raises BootError with what it said, if it ends before it accepts."""
        listener = listeners.bind(parse("127.0.0.1:0"), "check", backlog=8)
        with contextlib.closing(listener):
            self._seat = Seat(0, listeners=[listener])
            with self._plain():
                self._supervisor.fill(self._seat)
            member = self._seat.following
            while member is not None and member.stage is not Stage.SERVING:
                if member.stage is Stage.LOADED:
                    self._supervisor.accept(member)
                self._waiter.wait()
                if self._supervisor.boot_error:
                    raise BootError(self._supervisor.boot_error)
            return socket.create_connection(listener.sock.getsockname())

    def end(self) -> None:
        """Nobody waits for it."""
        if self._seat is not None and self._seat.member is not None:
            self._seat.given_up = True
            self._supervisor.dismiss(self._seat.member)

    @contextlib.contextmanager
    def _plain(self) -> Iterator[None]:
        """What is forked inside speaks neither TLS nor the PROXY protocol."""
        settings = self._cfg.settings
        before = {name: settings[name].get() for name in _PLAIN}
        try:
            for name, value in _PLAIN.items():
                settings[name].set(value)
            yield
        finally:
            for name, value in before.items():
                settings[name].set(value)
