"""`watch=PATH`: a deploy that moves a link, or writes into a directory, makes a restart.

The main loop decides; a thread of its own looks, because a network file system that hangs would stop signals and
restarts with it. It looks by stat(2): the kernel's notifications know nothing of what another machine writes.

A generation watches while it serves, but not while a successor boots: that one is told with which state of the path it
was started, and looks itself for what has changed since.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable

from hotswap.lifecycle.path_changes import PathChanges
from hotswap.log import Log
from hotswap.restart.this_process import Bootstrap
from hotswap.system.main_loop import MainLoop, Timer
from hotswap.system.path_state import PathState, difference, look_at

#: How long the path has to be left alone after a change (seconds): a deploy writes many files, one after the other.
QUIET = 1.0
#: How long after a look the next one comes: at rest, and after a change (seconds).
_INTERVAL, _SOON = 1.0, 0.25
#: A look at a large directory takes long: it may take this share of the time.
_SHARE = 0.05
#: How long a start of a successor waits for a look that tells with which state it begins (seconds).
_PATIENCE = 0.1


class PathWatch:
    """`at(step)` follows the steps of a life. `restart()` is called on the main thread when the path asks for it."""

    def __init__(
        self, path: str, bootstrap: Bootstrap, loop: MainLoop, log: Log, restart: Callable[[], object]
    ) -> None:
        self._path = path
        self._bootstrap = bootstrap
        self._loop = loop
        self._log = log
        self._restart = restart
        self._changes = PathChanges(QUIET)
        self._before: PathState | None = None
        self._watching = False
        self._timer: Timer | None = None
        #: when the look was asked for that is waited for (time.monotonic()); others come too late
        self._asked = 0.0
        self._requests: queue.SimpleQueue[Callable[[PathState | None], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def at(self, step: str) -> None:
        """Follow a step of the server's life (`callbacks.STEPS`)."""
        if step == "starting":
            self._begin()
        elif step in ("ready", "restart_failed", "resumed"):
            self._watch()
        elif step == "restarting":
            self._pause()
            self._tell_successor()
        elif step in ("retiring", "draining", "stopped"):
            self._pause()

    def close(self) -> None:
        """End the thread, which is not waited for: it may hang in the file system, and is a daemon."""
        self._pause()
        self._requests.put(None)

    # on the main thread

    def _begin(self) -> None:
        self._before = look_at(self._path)
        path, digest = self._bootstrap.watched
        # A deploy may have changed the setting: then only what comes from here on counts.
        self._changes.known = digest if path == self._path else _digest(self._before)

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            if self._thread is None:
                # Not before: workers are forked by then.
                self._thread = threading.Thread(target=self._look, name="hotswap-watch-path", daemon=True)
                self._thread.start()
                self._log.info("watching %s", self._path)
            self._ask()

    def _pause(self) -> None:
        self._watching = False
        if self._timer is not None:
            self._timer.cancel()

    def _ask(self) -> None:
        self._asked = asked = time.monotonic()
        self._requests.put(lambda state: self._loop.call(functools.partial(self._on_look, state, asked)))

    def _on_look(self, state: PathState | None, asked: float) -> None:
        if not self._watching or asked != self._asked:
            return
        now = time.monotonic()
        before, self._before = self._before, state or self._before
        if self._changes.asks_for_restart(_digest(state), now):
            self._log.info("restarting for %s, which has changed", self._path)
            self._restart()
        elif what := difference(before, state):
            self._log.info("%s has changed (%s): restarting when it is quiet", self._path, what)
        interval = _SOON if self._changes.is_unsettled else _INTERVAL
        self._timer = self._loop.later(max(interval, (now - asked) / _SHARE), self._ask)

    def _tell_successor(self) -> None:
        """Before it is started, so that whatever changes from now on is a change for it."""
        answers: queue.SimpleQueue[PathState | None] = queue.SimpleQueue()
        self._requests.put(answers.put)
        try:
            state = answers.get(timeout=_PATIENCE)
        except queue.Empty:
            state = None
        self._changes.starts_successor(_digest(state))
        self._bootstrap.watched = (self._path, self._changes.known or "")

    # on the thread

    def _look(self) -> None:
        while (answer := self._requests.get()) is not None:
            try:
                state = look_at(self._path)
            except OSError:  # a directory above may not be read any more
                state = None
            answer(state)


def _digest(state: PathState | None) -> str | None:
    return None if state is None else state.digest
