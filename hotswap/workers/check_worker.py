"""A check of workers that cannot be handed a connection: one more of them, with a listener of its own.

It is forked, and loads, as the others; but it is told to accept before them, answers the check's request, and leaves.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from hotswap.errors import BootError
from hotswap.lifecycle.worker_states import Stage
from hotswap.settings import Config
from hotswap.system import listeners
from hotswap.system.addresses import parse
from hotswap.system.main_loop import MainLoop
from hotswap.workers.supervisor import Supervisor
from hotswap.workers.worker_slot import WorkerSlot

#: What clients of the real listeners may have to say first, and a check does not.
_PLAIN = {"certfile": None, "keyfile": None, "proxy_protocol": "off"}


class CheckWorker:
    """Forks the worker, and has it leave. Both are called on the server process's main thread, at boot."""

    def __init__(self, supervisor: Supervisor, loop: MainLoop, cfg: Config) -> None:
        self._supervisor = supervisor
        self._loop = loop
        self._cfg = cfg
        self._slot: WorkerSlot | None = None

    def begin(self) -> socket.socket:
        """A connection to it. Raises BootError with what it said, if it ends before it accepts."""
        listener = listeners.bind(parse("127.0.0.1:0"), "check", backlog=8)
        with contextlib.closing(listener):
            self._slot = WorkerSlot(0, listeners=[listener])
            with self._plain():
                self._supervisor.fill(self._slot)
            handle = self._slot.following
            while handle is not None and handle.stage is not Stage.SERVING:
                if handle.stage is Stage.LOADED:
                    self._supervisor.accept(handle)
                self._loop.wait()
                if self._supervisor.boot_error:
                    raise BootError(self._supervisor.boot_error)
            return socket.create_connection(listener.sock.getsockname())

    def end(self) -> None:
        """Have it leave; the boot does not wait for its end."""
        if self._slot is not None and self._slot.current is not None:
            self._slot.given_up = True
            self._supervisor.dismiss(self._slot.current)

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
