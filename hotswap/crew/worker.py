"""The engine as a worker class with gunicorn's contract: `hotswap.Worker`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gunicorn.workers import base

from hotswap.crew.duty import WORKER_SIGNALS, Duty
from hotswap.crew.post import Post
from hotswap.engine.model import Application
from hotswap.system.signals import SignalQueue


class Worker(base.Worker):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's worker whose engine hands its connections over, to siblings and successors.

    `post` is what our server process adds to gunicorn's arguments.
    """

    post: Post

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._signals: SignalQueue
        self._apps: Mapping[str, Application] = {}

    def init_signals(self) -> None:
        """gunicorn's handlers act at once, between any two lines; ours wait for the main loop."""
        # Made here, after the fork: a queue takes the signals of the process that has made it.
        self._signals = SignalQueue(handled=WORKER_SIGNALS)
        self._signals.__enter__()

    def load_wsgi(self) -> None:
        """One application for each listener, where gunicorn has one for all."""
        self._apps = self.app.by_key()

    def run(self) -> None:
        """Called by init_process as its last act."""
        Duty(self, self.post, self._signals, self._apps).run()
