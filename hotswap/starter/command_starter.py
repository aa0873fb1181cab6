"""`hotswap start`: Server::Starter's life, for a command of any language.

The lines on standard error are Server::Starter's (Perl, 0.35), which people look for in their logs. What is added: a
worker that says that it is ready, by sd_notify or as a hotswap program, is ready then, and not after the interval; a
hotswap program moves its connections; a worker that does not end is killed after the drain timeout.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import time
from typing import Any

from hotswap.starter.command_launcher import CommandLauncher
from hotswap.starter.command_report import CommandReport
from hotswap.starter.command_runs import CommandRun, CommandRuns
from hotswap.starter.ending import Ending
from hotswap.starter.ready_socket import ReadySocket
from hotswap.starter.standard_error import say
from hotswap.starter.start_options import StartOptions
from hotswap.starter.starter_state import Kept
from hotswap.starter.suspension import Suspension
from hotswap.starter.worker_environ import WorkerEnviron
from hotswap.system import fd_messages
from hotswap.system.hang_up import HangUp, Meaning
from hotswap.system.main_loop import MainLoop
from hotswap.system.sd_notify import Notifier
from hotswap.system.signals import HANDLED, SignalQueue

_TICK = 1.0


class CommandStarter:
    """Owns every descriptor of its options. On the main thread, the only one."""

    def __init__(self, options: StartOptions) -> None:
        self._options = options
        self._loop = MainLoop()
        self._signals = SignalQueue(handled=(*HANDLED, signal.SIGCHLD))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._link = ours
        self._ready = ReadySocket()
        # The exec has left it as nohup(1) did; the queue of signals, when it is entered, does not.
        nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._hang_up = HangUp(ignored=nohup)
        self._runs = CommandRuns()
        self._report = CommandReport(options.status_file, Notifier.from_environ(options.environ), self._runs)
        self._environ = WorkerEnviron(options, self._ready.name)
        self._launcher = CommandLauncher(options, self._environ, link=theirs.detach(), nohup=nohup)
        self._suspension = Suspension(self._loop, self._signals, lambda: self._runs.all().values())
        self._ending = Ending(self._loop, self._runs, options.drain_timeout_s)
        #: whether a worker has ever said that it is ready: from then on each has to
        self._they_speak = False
        self._restarts_wanted = 0
        self._is_restart = False
        self._accepted_at = 0.0
        self._stopping = False
        self._over = False

    def run(self) -> int:
        """Return the exit status, when the last worker has ended."""
        say(f"hotswap start (pid:{os.getpid()}) starting now...")
        self._report.clear()
        with self._signals:
            for fd in self._options.descriptors():
                os.set_inheritable(fd, False)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*HANDLED, signal.SIGCHLD))
            self._loop.watch(self._signals.fileno(), self._on_signals)
            self._loop.watch(self._link.fileno(), self._on_link)
            self._hang_up.watch(self._loop, self._on_hang_up)
            self._loop.watch(self._ready.fileno(), lambda: self._ready.receive(self._said_ready))
            self._loop.call(self._on_signals)
            self._loop.later(_TICK, self._tick)
            self._start()
            while not self._over:
                self._loop.wait(lambda: say(f"an error in the starter: {sys.exc_info()[1]!r}"))
        say("exiting")
        self._clean_up()
        return 0

    def _clean_up(self) -> None:
        self._report.clear()
        # The lock goes with the process, after the file: a server that is started meanwhile does not share the file.
        for path in (*self._options.socket_paths, *filter(None, [self._options.pid_file])):
            with contextlib.suppress(OSError):
                os.unlink(path)

    # a worker begins

    def _start(self) -> None:
        if self._stopping or self._runs.starting is not None:
            return
        try:
            worker = self._runs.starting = self._launcher.start()
        except OSError as error:
            why = f"failed to exec {error.filename}: {error.strerror}"
            say(why)
            self._report.failed(self._launcher.generation, why)
            self._loop.later(max(self._options.interval_s, _TICK), self._start)
            return
        say(f"starting new worker {worker.pid}")
        self._loop.later(self._options.interval_s, functools.partial(self._interval_is_over, worker))

    def _interval_is_over(self, worker: CommandRun) -> None:
        if worker is not self._runs.starting:
            return
        if not self._they_speak:
            self._accept(worker)
            return
        left = worker.began + self._options.boot_timeout_s - time.monotonic()
        self._loop.later(max(left, 0.0), functools.partial(self._is_too_late, worker))

    def _is_too_late(self, worker: CommandRun) -> None:
        if worker is self._runs.starting:
            say(f"new worker {worker.pid} was not ready within {self._options.boot_timeout_s:g} secs, killing it")
            worker.signal(signal.SIGKILL)

    def _said_ready(self, pid: int) -> None:
        self._they_speak = True
        if self._runs.starting is not None and self._runs.starting.pid == pid:
            self._accept(self._runs.starting)

    def _accept(self, worker: CommandRun) -> None:
        """It serves; the workers before may go."""
        self._runs.accept(worker)
        self._accepted_at = time.monotonic()
        self._launcher.adopt(worker)
        self._report.serves(worker)
        if self._is_restart:
            self._is_restart = False
            self._end_old_ones()
        self._start_next()

    def _end_old_ones(self) -> None:
        old = ",".join(map(str, sorted(self._runs.old))) or "none"
        name = signal.Signals(self._options.signal_on_hup).name.removeprefix("SIG")
        say(f"new worker is now running, sending {name} to old workers:{old}")
        delay = self._environ.kill_old_delay_s
        if delay:
            say(f"sleeping {delay:g} secs before killing old workers")
        self._loop.later(delay, self._kill_old_ones)

    def _kill_old_ones(self) -> None:
        if self._stopping:
            # They have the signal of the stop already.
            return
        say("killing old workers")
        self._ending.end(self._runs.old.values(), self._options.signal_on_hup)

    def _start_next(self) -> None:
        if self._restarts_wanted and self._runs.starting is None:
            self._restarts_wanted -= 1
            self._is_restart = True
            self._start()

    # a worker ends

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._died(*ended)

    def _died(self, pid: int, status: int) -> None:
        # What it said last is still in the sockets.
        self._on_link()
        runs = self._runs
        if self._stopping:
            self._died_while_stopping(pid, status)
        elif runs.starting is not None and runs.starting.pid == pid:
            self._failed_to_start(runs.starting, status)
        elif runs.current is not None and runs.current.pid == pid:
            runs.remove(pid)
            self._report.runs_changed()
            if runs.starting is not None:
                say(f"old worker {pid} died, status:{status}")
                return
            say(f"worker {pid} died unexpectedly with status:{status}, restarting")
            self._start()
        elif pid in runs.old:
            say(f"old worker {pid} died, status:{status}")
            runs.remove(pid)
            self._report.runs_changed()

    def _failed_to_start(self, worker: CommandRun, status: int) -> None:
        self._runs.remove(worker.pid)
        fd_messages.close_all(worker.kept.descriptors())
        say(f"new worker {worker.pid} seems to have failed to start, exit status:{status}")
        self._report.failed(self._launcher.generation, f"worker {worker.pid} has ended with status {status}")
        self._loop.later(max(worker.began + self._options.interval_s - time.monotonic(), 0.0), self._start)

    def _died_while_stopping(self, pid: int, status: int) -> None:
        if pid not in self._runs.all():
            return
        say(f"worker {pid} died, status:{status}")
        self._runs.remove(pid)
        self._report.runs_changed()
        self._over = not self._runs.all()

    # what hotswap programs say

    def _on_link(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while (message := fd_messages.receive(self._link)) is not None:
                self._take(*message)

    def _take(self, facts: dict[str, Any], fds: list[int]) -> None:
        self._they_speak = True
        worker = self._runs.of_generation(facts["generation"])
        if worker is None:
            fd_messages.close_all(fds)
        elif "notify" in facts:
            return
        elif fds:
            *listeners, exchange_send, exchange_receive, scoreboard, inbox = fds
            fd_messages.close_all([*listeners, inbox])
            worker.kept = Kept((), (exchange_send, exchange_receive), scoreboard)
            if worker is self._runs.current:
                # The first one: it counted as serving after the interval, before it was known to say so.
                self._launcher.adopt(worker)
        elif facts["state"] == "serving" and worker is self._runs.starting:
            self._accept(worker)

    # signals

    def _on_signals(self) -> None:
        for number in self._signals.take():
            if number is signal.SIGCHLD:
                self._reap()
            elif number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                self._stop(number)
            elif number is signal.SIGHUP:
                self._hup()
            elif number is signal.SIGTSTP:
                self._suspension.begin()
            else:
                for worker in self._runs.all().values():
                    worker.signal(number)

    def _hup(self) -> None:
        meaning = self._hang_up.meaning()
        if meaning is Meaning.STOP:
            self._on_hang_up()
        elif meaning is Meaning.RESTART and not self._stopping:
            self._restart()

    def _on_hang_up(self) -> None:
        say("the terminal was closed")
        self._stop(signal.SIGTERM)

    def _restart(self) -> None:
        say("received HUP, spawning a new worker")
        self._report.reloading()
        self._restarts_wanted += 1
        self._start_next()

    def _stop(self, number: signal.Signals) -> None:
        if self._stopping:
            return
        self._stopping = True
        sent = self._options.signal_on_term if number is signal.SIGTERM else signal.SIGTERM
        workers = self._runs.all()
        names = number.name.removeprefix("SIG"), signal.Signals(sent).name.removeprefix("SIG")
        say(f"received {names[0]}, sending {names[1]} to all workers:{','.join(map(str, sorted(workers)))}")
        self._report.stopping()
        # A client that connects from now on would be answered by no worker.
        fd_messages.close_all([fd for _, fd in self._options.sockets])
        self._ending.end(workers.values(), sent)
        self._over = not workers

    # now and then

    def _tick(self) -> None:
        """Restart by time, if that is enabled: when no old worker is left, or at twice the interval in any case."""
        self._loop.later(_TICK, self._tick)
        interval = self._environ.auto_restart_interval_s
        if interval is None or self._runs.starting is not None or self._runs.current is None:
            return
        elapsed = time.monotonic() - self._accepted_at
        if elapsed >= interval and not self._runs.old:
            say(f"autorestart triggered (interval={interval:g})")
        elif elapsed >= 2 * interval:
            say(f"autorestart triggered (forced, interval={interval:g})")
        else:
            return
        self._restarts_wanted += 1
        self._start_next()
