"""The engine as a worker class with gunicorn's contract: `hotswap.Worker`.

Under our own server process, which gives each worker a `post`, it lives by orders (`duty`); as `gunicorn -k
hotswap.Worker`, under gunicorn's own arbiter, by signals (`standalone`).
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from gunicorn.errors import AppImportError
from gunicorn.workers import base

from hotswap.crew import ground
from hotswap.crew.duty import Duty
from hotswap.crew.forking import die_with_parent, outlive_parent
from hotswap.crew.interfaces import interface_of
from hotswap.crew.post import Post
from hotswap.crew.shift import WORKER_SIGNALS
from hotswap.crew.standalone import Standalone
from hotswap.engine.model import Application
from hotswap.settings.own import SwitchInterval
from hotswap.system.nofile import raise_nofile_limit
from hotswap.system.scoreboard import Slot
from hotswap.system.signals import SignalQueue, blocked

#: What the main loop acts on under gunicorn's arbiter. For the others there are handlers, or the application's.
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGUSR1)
#: What the engine cannot do for gunicorn, and what is said of it at the start: setting, its harmless values, sentence.
_NOT_DONE = (
    ("protocol", ("http",), "hotswap.Worker speaks HTTP only: in nginx use proxy_pass instead of uwsgi_pass"),
    ("http_protocols", (["h1"],), "hotswap.Worker speaks HTTP/1.1 only: let a proxy speak HTTP/2"),
    ("reuse_port", (False,), "connections that wait on a worker's own socket are lost when it leaves: leave it out"),
)


class Worker(base.Worker):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's worker whose engine hands its connections over, to siblings and successors.

    `post` is what our server process adds to gunicorn's arguments, between the call and the fork; gunicorn's own
    arbiter adds nothing. `answered` counts requests.
    """

    post: Post | None = None
    answered: Callable[[], int] = staticmethod(lambda: 0)

    @classmethod
    def setup(cls) -> None:
        """gunicorn calls it in the arbiter, whenever it reads the worker class: at the start and at each HUP."""
        ground.prepare()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """gunicorn calls it at the start: say what is not done as the settings ask for."""
        for name, harmless, sentence in _NOT_DONE:
            value = cfg.settings[name].get()
            if value not in harmless:
                log.warning("%s = %r: %s", name, value, sentence)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._signals: SignalQueue
        self._apps: Mapping[str, Application] = {}
        self._slot: Slot | None = None
        self._ground = ground.here()
        if self._ground is not None:
            # Here, before the fork: right after it gunicorn may tell older workers to leave.
            self._ground.births.announce(self.age)

    @property
    def nr(self) -> int:
        """How many requests were answered, by gunicorn's name."""
        return self.answered()

    @nr.setter
    def nr(self, value: int) -> None:
        """gunicorn begins with 0, as the engine does."""

    def init_process(self) -> None:
        """What gunicorn does, and before it, under gunicorn's arbiter, what our server process has done otherwise."""
        if self.post is None:
            assert self._ground is not None, "gunicorn calls setup() before it makes a worker"
            self._slot = self._ground.enter(self.age)
            raise_nofile_limit()
            sys.setswitchinterval(SwitchInterval.default)  # type: ignore[attr-defined]  # made with type()
        super().init_process()

    def init_signals(self) -> None:
        """gunicorn's handlers act at once, between any two lines; ours wait for the main loop."""
        # Again: a change of user, which was the act before this, takes it back (prctl(2), PR_SET_PDEATHSIG).
        die_with_parent(self.ppid)
        if self.post is None:
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
        """SIGTERM while the application is loaded: it will not serve, so nobody is to wait for it."""
        super().handle_exit(sig, frame)
        if self._ground is not None and self._slot is not None:
            self._ground.births.told(self.age)
            self._slot.set_state("draining")

    def load_wsgi(self) -> None:
        """One application for each listener, where gunicorn has one for all."""
        if self.post is None:
            super().load_wsgi()
            if interface_of(self.wsgi).is_asgi:
                raise AppImportError("hotswap.Worker is for WSGI, and this is an ASGI application: take -k asgi")
        else:
            self._apps = self.app.by_key()

    def run(self) -> None:
        """Called by init_process as its last act."""
        if self.post is not None:
            Duty(self, self.post, self._signals, self._apps).run()
            return
        assert self._ground is not None
        assert self._slot is not None
        with blocked(_SIGNALS):
            # What processes that the application forks go back to is what the queue finds.
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            self._take_signals(_SIGNALS)
        outlive_parent()
        Standalone(self, self._ground, self._slot, self._signals).run()


def _ignore(number: int, frame: FrameType | None) -> None:
    pass
