"""Forking a worker, as gunicorn's arbiter does (gunicorn/arbiter.py, `spawn_worker`), and how the child ends.

The child never returns into the frames of the server process: those are the user's program, whose `finally` blocks and
code after `serve()` are not meant for workers. It ends with os._exit, after what an interpreter's end would have done.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import itertools
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from gunicorn.errors import AppImportError

from hotswap.crew.channel import TEXT_LIMIT, Channel, News
from hotswap.crew.gunicorn_view import ApplicationView, LogView, SocketView
from hotswap.crew.member import Member
from hotswap.crew.post import Post, Shared
from hotswap.crew.seat import Seat
from hotswap.errors import HotswapError
from hotswap.system import hangs, title
from hotswap.system.forks import own_fork
from hotswap.system.signals import HANDLED, blocked

#: gunicorn's exit codes (gunicorn.arbiter.Arbiter).
BOOT_FAILED, APP_FAILED = 3, 4

#: How often a worker that only waits gives its heartbeat (seconds), and at which one it says so.
_BEAT, _SAY_AT = 0.5, 2

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class Forker:
    """Forks workers of one class, and has handles of another made on them.

    `let_go(number)` closes, in the child, what only the server process has.
    """

    def __init__(
        self,
        shared: Shared,
        worker_class: type[Any],
        let_go: Callable[[int], object],
        member_class: type[Member] = Member,
    ) -> None:
        self._shared = shared
        self._worker_class = worker_class
        self._member_class = member_class
        self._let_go = let_go
        self._age = 0
        self._app = ApplicationView(shared.cfg, shared.load)
        self._sockets = [SocketView(listener) for listener in shared.listeners]
        self._log = LogView(shared.log)

    def fork(self, seat: Seat, others: Iterable[Member]) -> Member:
        """Fork the next worker for `seat`. Raises OSError, and whatever the pre_fork hook raises."""
        cfg = self._shared.cfg
        self._age += 1
        with contextlib.ExitStack() as undo:
            sockets = [SocketView(listener) for listener in seat.listeners] or list(self._sockets)
            worker = self._worker_class(
                self._age, os.getpid(), sockets, self._app, cfg.timeout / 2.0, cfg, self._log
            )
            undo.callback(worker.tmp.close)
            ours, theirs = Channel.pair()
            undo.callback(ours.close)
            with contextlib.closing(theirs):
                worker.post = Post(self._shared, seat.number, theirs)
                cfg.pre_fork(self._shared.arbiter, worker)
                worker.pid = self._fork(worker, ours, others)
            undo.pop_all()
        return self._member_class(seat, worker, worker.pid, ours)

    def _fork(self, worker: Any, ours: Channel, others: Iterable[Member]) -> int:
        # What two write at once nobody can read: from here on a worker says where it hangs.
        hangs.stop()
        _flush()
        # Until the child has dispositions of its own: a HUP to all processes of a name must not end one that is young.
        with blocked(HANDLED), own_fork():
            pid = os.fork()
            if pid == 0:
                ours.close()
                self._child(worker, others)
            return pid

    def _child(self, worker: Any, others: Iterable[Member]) -> NoReturn:
        status = 1
        try:
            die_with_parent(worker.ppid)
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
                signal.signal(number, signal.SIG_IGN)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            # Theirs are the ends by which the server process is known to live, and the files that say that they do.
            for sibling in others:
                sibling.close()
            self._let_go(worker.post.number)
            atexit._clear()  # what the server process has to do at its end, a worker has not
            status = self._live(worker)
        except BaseException:  # noqa: BLE001  nothing may get past here: above are the server's frames
            traceback.print_exc()
        finally:
            _end(status, worker)

    def _live(self, worker: Any) -> int:
        """The worker's whole life; returns its exit status."""
        shared = self._shared
        worker.pid = os.getpid()
        title.show(shared.cfg.proc_name, shared.generation, "booting", f"worker {worker.post.number}")
        # gunicorn's reloader would end this worker at a change, where our server process restarts everything.
        shared.cfg.set("reload", False)
        try:
            shared.cfg.post_fork(shared.arbiter, worker)
            worker.init_process()
        except SystemExit as error:
            return _exit_code(error)
        except Exception as error:  # noqa: BLE001  the application's, or a hook's: whatever it is, is the answer
            return _failed(worker, error)
        else:
            return 0
        finally:
            self._exit_hook(worker)

    def _exit_hook(self, worker: Any) -> None:
        # From here on nothing else gives the heartbeat, and this hook is where a job is waited for, and a pool closed.
        threading.Thread(target=_beat, args=(worker,), daemon=True).start()
        try:
            self._shared.cfg.worker_exit(self._shared.arbiter, worker)
        except Exception:
            self._shared.log.exception("the worker_exit hook failed")


def die_with_parent(parent: int) -> None:
    """Until the application is loaded, and the control channel watched: prctl(2), PR_SET_PDEATHSIG.

    A worker that hangs in an import when its parent is killed would keep the listeners open, and answer nobody.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def end_with_parent(number: signal.Signals) -> None:
    """From here on the worker gets `number` when its parent is gone."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def outlive_parent() -> None:
    """From here on the worker notices by itself that its parent is gone, and finishes what it serves."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


def _failed(worker: Any, error: Exception) -> int:
    """Tell the server process why; returns gunicorn's exit code."""
    if isinstance(error, HotswapError):
        text = str(error)  # has the application's traceback in it, where there is one
    else:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if not worker.post.channel.send(News.FAILED, text=text[-TEXT_LIMIT:]):
        worker.log.error("worker %d failed: %s", worker.post.number, text)
    if worker.booted:
        return 255
    return APP_FAILED if isinstance(error, (HotswapError, AppImportError)) else BOOT_FAILED


def _exit_code(error: SystemExit) -> int:
    """What the interpreter makes of it (`sys.exit`)."""
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201
    return 1


def _flush() -> None:
    """What is buffered at a fork would be written by both."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, replaced, or None
            stream.flush()


def _end(status: int, worker: Any) -> NoReturn:
    """As the interpreter ends: other threads first, then who has registered with atexit, then the buffers.

    A thread may finish its job, however long that takes; the server process kills the worker when it waits no longer.
    """
    shutdown = threading._shutdown  # type: ignore[attr-defined]  # joins them, as Py_FinalizeEx does
    for step in (shutdown, atexit._run_exitfuncs, logging.shutdown, _flush):
        with contextlib.suppress(Exception):
            step()
    os._exit(status)


def _beat(worker: Any) -> None:
    """The heartbeat of a worker that has nothing to do any more but to wait for its last hook, and its threads."""
    never, main = threading.Event(), threading.main_thread()
    for beats in itertools.count():
        worker.notify()
        if beats == _SAY_AT:
            stay = [thread.name for thread in threading.enumerate() if not thread.daemon and thread is not main]
            whom = ", ".join(["worker_exit", *stay])
            worker.log.info("worker %d waits for its last hook, or its threads: %s", worker.post.number, whom)
        never.wait(_BEAT)
