"""gunicorn's worker classes, and those made from them, under our server process: a gate put in front of each.

A worker loads, says so, and waits at its gate. When all have loaded it is told to accept, and gunicorn's code runs as
it is. It cannot hand connections over, so it leaves as gunicorn's workers leave: at SIGTERM, by its own drain.
"""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hotswap.engine.transport.tls_context import context_of
from hotswap.gunicorn_compat.views import SocketView
from hotswap.system.listeners import Listener
from hotswap.system.parent_death import die_with_parent
from hotswap.workers.context import WorkerContext
from hotswap.workers.foreign import uvicorn
from hotswap.workers.foreign.gated_lifespan import GatedLifespan, without_lifespan
from hotswap.workers.foreign.start_gate import StartGate

#: How long an application's startup waits inside the lifespan protocol (seconds): gunicorn takes one that needs 30 s
#: for an application without startup (gunicorn/asgi/lifespan.py, `LifespanManager.startup`), so the rest waits later.
_LIFESPAN_PATIENCE = 20.0


def wrapped(worker_class: type[Any]) -> type[Any]:
    """The class, with the gate in front of it."""
    modules = [base.__module__ for base in worker_class.__mro__]
    front = next((_FRONTS[module] for module in modules if module in _FRONTS), Wrapped)
    return type(worker_class.__name__, (front, worker_class), {"__module__": worker_class.__module__})


class SharedSocket(socket.socket):
    """A listening socket that is not told to listen again: with asyncio's backlog of 100, that would be the new length
    of the queue that all processes share (gunicorn/workers/gasgi.py, `create_server`)."""

    def listen(self, backlog: int = 0, /) -> None:
        """It listens."""


class WrappedSocket(SocketView):
    """A listener as the worker's code has it; tells when that code closes it."""

    def __init__(self, listener: Listener, closed: Callable[[str], object]) -> None:
        super().__init__(listener)
        self._closed = closed
        listener.sock = SharedSocket(fileno=listener.sock.detach())

    def close(self) -> None:
        super().close()
        self._closed("it has closed its listeners")


if TYPE_CHECKING:

    class _Worker:
        """What the classes below expect of the class that they stand in front of (gunicorn.workers.base.Worker)."""

        age: int
        pid: int
        ppid: int
        booted: bool
        aborted: bool
        nr: int
        max_requests: int
        cfg: Any
        log: Any
        tmp: Any
        sockets: Sequence[Any]
        wsgi: Any

        def init_process(self) -> None: ...
        def init_signals(self) -> None: ...
        def load_wsgi(self) -> None: ...
        def notify(self) -> None: ...
        def run(self) -> None: ...
        def handle_exit(self, number: int, frame: object) -> None: ...

else:
    _Worker = object


class Patience:
    """Stands for the setting `graceful_timeout` in a worker: gunicorn's workers read it when they begin to leave."""

    def __init__(self, setting: Any, gate: StartGate) -> None:
        self._setting = setting
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._setting, name)

    def get(self) -> float:
        """Seconds, as of now."""
        return self._gate.patience()


class Wrapped(_Worker):
    """Stands in front of a worker class. `worker_context` is what our server process adds to gunicorn's arguments."""

    worker_context: WorkerContext
    _gate: StartGate | None = None
    _alive = True

    @property
    def alive(self) -> bool:
        """What all of gunicorn's workers set to false when they begin to leave. There is no way back: tornado's sets it
        to true when it begins to run, and would forget that it was told to leave just before."""
        return self._alive

    @alive.setter
    def alive(self, value: bool) -> None:
        was, self._alive = self._alive, self._alive and value
        if was and not value:
            spent = self.nr >= self.max_requests
            self._leaves(f"max_requests: {self.nr} requests answered" if spent else "it was told to leave")

    def _leaves(self, why: str) -> None:
        if self._gate is not None:
            self._gate.leaves(why)

    @property
    def gate(self) -> StartGate:
        """There once the application is loaded."""
        assert self._gate is not None
        return self._gate

    def init_process(self) -> None:
        """Ends with `run`, in every class of gunicorn's."""
        self.sockets = [WrappedSocket(view.listener, self._leaves) for view in self.sockets]
        super().init_process()

    def init_signals(self) -> None:
        """As the class does; but Ctrl-C, which reaches the whole group, is the server process's to understand."""
        # Again: a change of user, which was the act before this, takes it back (prctl(2), PR_SET_PDEATHSIG).
        die_with_parent(self.ppid)
        super().init_signals()
        signal.signal(signal.SIGINT, self.handle_exit)

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self._gate = StartGate(self, self.worker_context)
        settings = self.cfg.settings
        settings["graceful_timeout"] = Patience(settings["graceful_timeout"], self._gate)
        # All of gunicorn's classes ask this hook, and only behind the gate (gunicorn/sock.py, `ssl_context`).
        settings["ssl_context"].set(lambda cfg, _factory: context_of(cfg))

    def notify(self) -> None:
        super().notify()
        if self._gate is not None:
            self._gate.beat(int(getattr(self, "nr_conns", 0)))

    def run(self) -> None:
        """The listeners are not touched before."""
        self.gate.wait()
        self._run()

    def _run(self) -> None:
        try:
            super().run()
        finally:
            # A late one must not end what is done last.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


class WrappedThreads(Wrapped):
    """In front of gunicorn's gthread, which keeps its listeners open until all that it serves is finished."""

    def set_accept_enabled(self, enabled: bool) -> None:
        """Called with False when it leaves (gunicorn/workers/gthread.py, `run`). At a stop no other process
        accepts: a client that connects then must be refused, and not hang."""
        super().set_accept_enabled(enabled)  # type: ignore[misc]  # the class behind has it
        if not self.alive:
            for sock in self.sockets:
                sock.close()


class WrappedGevent(Wrapped):
    """In front of gunicorn's gevent, which patches the standard library when the worker begins."""

    def patch(self) -> None:
        """The parent's context becomes one of gevent's: it would make sockets that stop all greenlets."""
        super().patch()  # type: ignore[misc]  # the class behind has it
        context, gevents = context_of(self.cfg), ssl.SSLContext  # since it has patched
        if context is not None and context.__class__ is gevents.__base__:
            by_name = context.sni_callback
            context.__class__ = gevents
            context.sni_callback = by_name  # gevent's setter has it called with gevent's sockets


class WrappedASGI(Wrapped):
    """In front of gunicorn's worker for ASGI: the application starts up before the gate, as a part of loading."""

    asgi: Any
    loop: Any

    def init_signals(self) -> None:
        super().init_signals()
        # Its `handle_exit` handles no signal: what it does at SIGTERM is another method (gunicorn/workers/gasgi.py).
        self.loop.add_signal_handler(signal.SIGINT, self.handle_exit_signal)

    def handle_exit_signal(self) -> None:
        """Stop accepting at once: it looks only once a second whether it is to leave.

        Its servers are not closed here: a connection that has been accepted, and not yet attached to its server, would
        be reset (asyncio/base_events.py, `Server._attach`). It closes them where that cannot be.
        """
        if self.alive:
            for sock in self.sockets:
                self.loop.remove_reader(sock.fileno())
        super().handle_exit_signal()  # type: ignore[misc]  # the class behind has it

    def load_wsgi(self) -> None:
        super().load_wsgi()
        strict = self.cfg.asgi_lifespan == "on"
        self.asgi = GatedLifespan(self.asgi, self.gate, strict=strict, patience=_LIFESPAN_PATIENCE)

    def run(self) -> None:
        self._run()

    def _get_ssl_context(self) -> ssl.SSLContext | None:
        """What gunicorn's worker calls between the application's startup and its listeners: the last moment.

        Its own method is not asked: where that cannot read a file it says so, and the worker serves plain HTTP.
        """
        self.gate.wait()
        return context_of(self.cfg)


class WrappedUvicorn(Wrapped):
    """In front of uvicorn's worker: the same, by uvicorn's means."""

    config: Any

    def load_wsgi(self) -> None:
        super().load_wsgi()
        if self.config.lifespan == "off":
            # The gate stands there all the same: its server handles signals by then, and forgets none.
            self.config.lifespan, self.wsgi = "on", without_lifespan(self.wsgi)
        self.wsgi = GatedLifespan(self.wsgi, self.gate, strict=self.config.lifespan == "on")

    def run(self) -> None:
        # What uvicorn's server sets back when it has left: it then sends itself again the signals that it got
        # (uvicorn/server.py, `capture_signals`), and would be ended by them before hooks have run.
        signal.signal(signal.SIGTERM, self.handle_exit)
        uvicorn.prepare(self.config, self.wsgi, context_of(self.cfg))
        self._run()


#: The module that a class, or one that it is made from, comes from; what has to stand in front of it.
_FRONTS: dict[str, type[Wrapped]] = {
    "gunicorn.workers.gthread": WrappedThreads,
    "gunicorn.workers.ggevent": WrappedGevent,
    "gunicorn.workers.gasgi": WrappedASGI,
    **dict.fromkeys(uvicorn.MODULES, WrappedUvicorn),
}
