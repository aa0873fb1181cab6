"""The engine as a worker class with gunicorn's contract: `hotswap.Worker`.

Under our own server process, which gives each worker a `worker_context`, it lives by orders (`supervised_loop`); as
`gunicorn -k hotswap.Worker`, under gunicorn's own arbiter, by signals (`gunicorn_loop`).
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from gunicorn.http.message import _check_fast_parser
from gunicorn.workers import base

from hotswap.apps.mapping import single_call
from hotswap.engine import Application, Counters
from hotswap.engine.native import choice
from hotswap.errors import BootError
from hotswap.lifecycle.states import State
from hotswap.scoreboard import Slot
from hotswap.settings.own import SwitchInterval
from hotswap.system.fd_limit import raise_nofile_limit
from hotswap.system.parent_death import die_with_parent, outlive_parent
from hotswap.system.program_handlers import ENDING, ProgramHandlers
from hotswap.system.signals import SignalQueue, blocked
from hotswap.workers.context import WorkerContext
from hotswap.workers.native import arbiter_shared
from hotswap.workers.native.gunicorn_loop import GunicornLoop
from hotswap.workers.native.supervised_loop import SupervisedLoop
from hotswap.workers.native.worker_loop import WORKER_SIGNALS

#: What the main loop acts on under gunicorn's arbiter. For the others there are handlers, or the application's.
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGUSR1)
#: gunicorn.arbiter.Arbiter.WORKER_BOOT_ERROR
_BOOT_FAILED = 3
#: What the engine cannot do for gunicorn, and what is said of it at the start: setting, its harmless values, sentence.
_NOT_DONE = (
    ("protocol", ("http",), "hotswap.Worker speaks HTTP only: in nginx use proxy_pass instead of uwsgi_pass"),
    ("http_protocols", (["h1"],), "hotswap.Worker speaks HTTP/1.1 only: let a proxy speak HTTP/2"),
    ("reuse_port", (False,), "connections that wait on a worker's own socket are lost when it leaves: leave it out"),
)


class Worker(base.Worker):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's worker whose engine hands its connections over, to siblings and successors.

    `worker_context` is what our server process adds to gunicorn's arguments, between the call and the fork; gunicorn's
    own arbiter adds nothing. The engine counts in `counters`.
    """

    worker_context: WorkerContext | None = None

    @classmethod
    def setup(cls) -> None:
        """gunicorn calls it in the arbiter, whenever it reads the worker class: at the start and at each HUP."""
        arbiter_shared.prepare()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """gunicorn calls it at the start: say what is not done as the settings ask for. Raises RuntimeError for
        http_parser = "fast" where that cannot be; gunicorn raises it at each request.
        """
        _check_fast_parser(cfg)
        for name, harmless, sentence in _NOT_DONE:
            value = cfg.settings[name].get()
            if value not in harmless:
                log.warning("%s = %r: %s", name, value, sentence)
        if choice.WHY_PYTHON:
            log.info("hotswap.Worker serves requests in Python alone (%s)", choice.WHY_PYTHON)

    def __init__(self, *arguments: Any) -> None:
        self.counters = Counters()
        super().__init__(*arguments)
        self._signals: SignalQueue
        self._apps: Mapping[str, Application] = {}
        self._slot: Slot | None = None
        self._arbiter_shared = arbiter_shared.here()
        if self._arbiter_shared is not None:
            # Here, before the fork: right after it gunicorn may tell older workers to leave.
            self._arbiter_shared.boot_board.announce(self.age)
            self.tmp.close = self._after_closing(self.tmp.close)

    def _after_closing(self, close: Callable[[], object]) -> Callable[[], None]:
        """What the arbiter calls first when this worker has ended (`Arbiter.reap_workers`), also one that was killed
        right after its fork; and what each younger worker calls, which is no arbiter."""

        def closed() -> None:
            close()
            if (shared := arbiter_shared.here()) is not None:
                shared.boot_board.ended(self.age)

        return closed

    @property
    def nr(self) -> int:
        """How many requests were answered, by gunicorn's name."""
        return self.counters.requests

    @nr.setter
    def nr(self, value: int) -> None:
        """gunicorn begins with 0, as the engine does."""

    def init_process(self) -> None:
        """What gunicorn does, and before it, under gunicorn's arbiter, what our server process has done otherwise."""
        if self.worker_context is None:
            assert self._arbiter_shared is not None, "gunicorn calls setup() before it makes a worker"
            self._slot = self._arbiter_shared.enter(self.age)
            raise_nofile_limit()
            sys.setswitchinterval(SwitchInterval.default)  # type: ignore[attr-defined]  # made with type()
        super().init_process()

    def init_signals(self) -> None:
        """gunicorn's handlers act at once, between any two lines; ours wait for the main loop."""
        # Again: a change of user, which was the act before this, takes it back (prctl(2), PR_SET_PDEATHSIG).
        die_with_parent(self.ppid)
        if self.worker_context is None:
            # Nothing is served yet, and the main loop may be far away: the application is loaded first.
            super().init_signals()
            for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
                signal.signal(number, _ignore)  # meant for the arbiter; not SIG_IGN, which programs inherit
            return
        self._take_signals(WORKER_SIGNALS)

    def _take_signals(self, numbers: tuple[signal.Signals, ...]) -> None:
        # Made here, after the fork: a queue takes the signals of the process that has made it.
        self._signals = SignalQueue(handled=numbers)
        self._signals.__enter__()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM while the application is loaded: it will not serve, so no other worker is to wait for it."""
        super().handle_exit(sig, frame)
        if self._arbiter_shared is not None and self._slot is not None:
            self._arbiter_shared.boot_board.stop_requested(self.age)
            self._slot.set_state(State.DRAINING.value)

    def load_wsgi(self) -> None:
        """One application for each listener, where gunicorn has one for all."""
        if self.worker_context is None:
            super().load_wsgi()
            self.wsgi: Any = single_call(self.wsgi)
        else:
            self._apps = self.app.by_key()

    def run(self) -> None:
        """Called by init_process as its last act."""
        if self.worker_context is not None:
            self._signals.take_again()
            handlers = self._program_handlers(self._signals.replaced(*ENDING))
            SupervisedLoop(self, self.worker_context, self._signals, self._apps).run()
        else:
            handlers = self._program_handlers({number: signal.getsignal(number) for number in ENDING})
            self._run_under_arbiter()
        handlers.call((), float(self.cfg.graceful_timeout))

    def _program_handlers(self, found: Mapping[signal.Signals, Any]) -> ProgramHandlers:
        """Those that the application has installed when it was loaded in this process."""
        own = {number: each for number, each in found.items() if getattr(each, "__self__", None) is not self}
        handlers = ProgramHandlers(own, self.log)
        handlers.announce()
        return handlers

    def _run_under_arbiter(self) -> None:
        assert self._arbiter_shared is not None
        assert self._slot is not None
        with blocked(_SIGNALS):
            # What processes that the application forks go back to is what the queue finds.
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            self._take_signals(_SIGNALS)
        outlive_parent()
        try:
            GunicornLoop(self, self._arbiter_shared, self._slot, self._signals).run()
        except BootError as error:
            # As gunicorn's own worker for ASGI: its arbiter ends by that status, and forks no other worker in vain.
            self.log.error("%s", error)
            raise SystemExit(_BOOT_FAILED) from None


def _ignore(number: int, frame: FrameType | None) -> None:
    pass
