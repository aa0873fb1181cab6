"""Forking a worker, as gunicorn's arbiter does (gunicorn/arbiter.py, `spawn_worker`), and how the child ends.

The child never returns into the frames of the server process: those are the user's program, whose `finally` blocks and
code after `serve()` are not meant for workers. It ends with os._exit, after what an interpreter's end would have done.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from gunicorn.errors import AppImportError

from hotswap.errors import HotswapError
from hotswap.gunicorn_compat.views import ApplicationView, LogView, SocketView
from hotswap.lifecycle.states import State
from hotswap.system import buffered_output, hang_report, process_title
from hotswap.system.crash_dumps import DumpFile
from hotswap.system.fork_guard import own_fork
from hotswap.system.listeners import Listener
from hotswap.system.parent_death import die_with_parent
from hotswap.system.signals import HANDLED, blocked
from hotswap.system.tail import tail
from hotswap.workers.channel import TEXT_LIMIT, Channel, WorkerNews
from hotswap.workers.context import ServerContext, WorkerContext
from hotswap.workers.gunicorn_worker import OurWorker
from hotswap.workers.handle import WorkerHandle

#: gunicorn's exit codes (gunicorn.arbiter.Arbiter).
BOOT_FAILED, APP_FAILED = 3, 4

#: How often a worker that only waits gives its heartbeat (seconds), and at which one it says so.
_BEAT, _SAY_AT = 0.5, 2


class Forker:
    """Forks workers of one class, and makes a handle of another class for each. Used on the main thread."""

    def __init__(self, context: ServerContext, worker_class: type[Any], handle_class: type[WorkerHandle]) -> None:
        self._context = context
        self._worker_class = worker_class
        self._handle_class = handle_class
        self._age = 0
        self._app = ApplicationView(context.cfg, context.load)
        self._sockets = [SocketView(listener) for listener in context.listeners]
        self._log = LogView(context.log)

    def fork(self, number: int, listeners: Sequence[Listener], others: Iterable[WorkerHandle]) -> WorkerHandle:
        """Fork worker `number`, which closes its copies of what the handles on the `others` hold.

        `listeners` are its own, if it has any. Raises OSError, and what the pre_fork hook raises.
        """
        cfg = self._context.cfg
        self._age += 1
        with contextlib.ExitStack() as undo:
            sockets = [SocketView(listener) for listener in listeners] or list(self._sockets)
            worker = self._worker_class(self._age, os.getpid(), sockets, self._app, cfg.timeout / 2.0, cfg, self._log)
            undo.callback(worker.tmp.close)
            ours, theirs = Channel.pair()
            undo.callback(ours.close)
            dump = DumpFile()
            undo.callback(dump.close)
            with contextlib.closing(theirs):
                worker.worker_context = WorkerContext(self._context, number, theirs)
                cfg.pre_fork(self._context.arbiter, worker)
                worker.pid = self._fork(worker, ours, others, dump)
            undo.callback(_end_unwatched, worker.pid)
            handle = self._handle_class(number, worker, worker.pid, ours, dump)
            undo.pop_all()
        return handle

    def _fork(self, worker: OurWorker, ours: Channel, others: Iterable[WorkerHandle], dump: DumpFile) -> int:
        # Two processes that write at once cannot be read: from here on a worker says where it hangs.
        hang_report.stop()
        buffered_output.flush_where_read()
        # Until the child has dispositions of its own: a HUP to all processes of a name must not end one that is young.
        with blocked(HANDLED), own_fork():
            pid = os.fork()
            if pid == 0:
                ours.close()
                dump.use()
                self._child(worker, others)
            return pid

    def _child(self, worker: OurWorker, others: Iterable[WorkerHandle]) -> NoReturn:
        status = 1
        try:
            die_with_parent(worker.ppid)
            buffered_output.forget()
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
                signal.signal(number, signal.SIG_IGN)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            # Theirs are the ends by which the server process is known to live, and the files that say that they do.
            for sibling in others:
                sibling.close()
            self._context.close_in_worker(worker.worker_context.number)
            atexit._clear()  # what the server process has to do at its end, a worker has not
            status = self._live(worker)
        except BaseException:  # noqa: BLE001  nothing may get past here: above are the server's frames
            traceback.print_exc()
        finally:
            _end(status, worker)

    def _live(self, worker: OurWorker) -> int:
        """The worker's whole life; returns its exit status."""
        context = self._context
        worker.pid = os.getpid()
        name = f"worker {worker.worker_context.number}"
        process_title.show(context.options.proc_name, context.generation, State.BOOTING.value, name)
        # gunicorn's reloader would end this worker at a change, where our server process restarts everything.
        context.cfg.set("reload", False)
        try:
            context.cfg.post_fork(context.arbiter, worker)
            worker.init_process()
        except SystemExit as error:
            return _exit_code(error)
        except Exception as error:  # noqa: BLE001  the application's, or a hook's: whatever it is, is the answer
            return _failed(worker, error)
        else:
            return 0
        finally:
            self._exit_hook(worker)

    def _exit_hook(self, worker: OurWorker) -> None:
        # From here on nothing else gives the heartbeat, and this hook is where a job is waited for, and a pool closed.
        threading.Thread(target=_beat, args=(worker,), daemon=True).start()
        try:
            self._context.cfg.worker_exit(self._context.arbiter, worker)
        except Exception:
            self._context.log.exception("the worker_exit hook failed")


def _end_unwatched(pid: int) -> None:
    """A worker that has been forked and cannot be watched: it would never be told anything, nor its end be seen."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):  # the application waits for any child at all
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _failed(worker: OurWorker, error: Exception) -> int:
    """Tell the server process why; returns gunicorn's exit code."""
    if isinstance(error, HotswapError):
        text = str(error)  # has the application's traceback in it, where there is one
    else:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if not worker.worker_context.channel.send(WorkerNews.FAILED, text=tail(text, TEXT_LIMIT)):
        worker.log.error("worker %d failed: %s", worker.worker_context.number, text)
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
    """What os._exit would lose."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, replaced, or None
            stream.flush()


def _end(status: int, worker: OurWorker) -> NoReturn:
    """As the interpreter ends: other threads first, then what is registered with atexit, then the buffers.

    A thread may finish its job, however long that takes; the server process kills the worker when it waits no longer.
    """
    shutdown = threading._shutdown  # type: ignore[attr-defined]  # joins them, as Py_FinalizeEx does
    for step in (shutdown, atexit._run_exitfuncs, logging.shutdown, _flush):
        with contextlib.suppress(Exception):
            step()
    os._exit(status)


def _beat(worker: OurWorker) -> None:
    """The heartbeat of a worker that has nothing to do any more but to wait for its last hook, and its threads."""
    never, main = threading.Event(), threading.main_thread()
    for beats in itertools.count():
        worker.notify()
        if beats == _SAY_AT:
            stay = [thread.name for thread in threading.enumerate() if not thread.daemon and thread is not main]
            waited = ", ".join(["worker_exit", *stay])
            worker.log.info(
                "worker %d waits for its last hook, or its threads: %s", worker.worker_context.number, waited
            )
        never.wait(_BEAT)
