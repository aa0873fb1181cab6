"""Generation 1 where the pid has to stay: it becomes the starter when it has retired, instead of ending."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterable

from hotswap.handover.exchange import Exchange
from hotswap.log import Log
from hotswap.restart.handoff import PassedListener
from hotswap.restart.program import Program
from hotswap.starter.becoming import adopt_orphans, become_starter
from hotswap.starter.starter_state import Kept, StarterState
from hotswap.system import fd_messages
from hotswap.system.fork_guard import no_fork, withhold
from hotswap.system.listeners import Listener
from hotswap.system.program_handlers import cut_after
from hotswap.system.signals import SignalQueue


class FutureStarter:
    """Both ends of the link, and copies of what generations share. On the main thread.

    `nohup`, `log_format`: as StarterState has them. Until the exec no process reads what the later generations say on
    the link; it waits there.
    """

    def __init__(self, *, nohup: bool, log_format: str) -> None:
        self._nohup = nohup
        self._log_format = log_format
        with no_fork():
            self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._held = Kept()
            self._stopped_by: list[int] = []
            self._withhold_no_more = withhold(self._descriptors)

    def _descriptors(self) -> list[int]:
        return [self._ours.fileno(), self._theirs.fileno(), *self._held.descriptors()]

    @property
    def link_fd(self) -> int:
        """The end that every later generation has."""
        return self._theirs.fileno()

    def keep(self, listeners: Iterable[Listener], exchange: Exchange, tried: tuple[str, ...]) -> None:
        """Retiring: keep copies of what the starter is to have, but for the scoreboard: to close one of that gives up
        this process's slot (`scoreboard/locks.py`). A take-back gives up nothing, so it may come again."""
        # The orphans of a successor that dies come to this process, which will be the starter.
        adopt_orphans()
        with no_fork():
            fd_messages.close_all(self._held.descriptors())
            passed = tuple(PassedListener(each.key, os.dup(each.fileno()), each.identity) for each in listeners)
            ends = os.dup(exchange.send_fd), os.dup(exchange.receive_fd)
            self._held = Kept(passed, ends, tried=tried)

    def stops(self, number: signal.Signals) -> None:
        """The server stops, for this signal has come while this process retires, or, SIGINT, its terminal was closed:
        the starter is to see to it, should a process be left that serves, or none to tell."""
        self._stopped_by = [number]
        self._release_listeners()

    def _release_listeners(self) -> None:
        """While this process has them, clients can connect that no process answers."""
        with no_fork():
            fd_messages.close_all([item.fd for item in self._held.listeners])
            self._held = self._held._replace(listeners=())
            self._drop_given()

    def _drop_given(self) -> None:
        """Drop the copies that wait on the link, where the kernel keeps them open; what waits beside them goes back."""
        self._ours.setblocking(False)
        words = []
        with contextlib.suppress(BlockingIOError):
            while (message := fd_messages.receive(self._ours)) is not None:
                facts, fds = message
                # Not the scoreboard, because this process is on it: the exec closes it.
                scoreboard = len(facts.get("listeners", ())) + 2
                fd_messages.close_all(fds[:scoreboard] + fds[scoreboard + 1 :])
                words += [] if fds else [facts]
        for facts in words:
            fd_messages.send(self._theirs, facts)

    def serves_again(self) -> None:
        """This generation serves again: what others gave is not the server's any more, such as an address of theirs."""
        self._stopped_by = []
        with no_fork():
            self._drop_given()
        self.let_go()

    def let_go(self) -> None:
        """Close what was kept."""
        with no_fork():
            fd_messages.close_all(self._held.descriptors())
            self._held = Kept()

    def ended(self, pid: int, code: int) -> None:
        """The successor, a child of this process, has ended already: the starter is to know how."""
        fd_messages.send(self._theirs, {"ended": pid, "status": code})

    def become(self, program: Program, scoreboard: int, signals: SignalQueue, log: Log, limit_s: float | None) -> None:
        """Run the program's atexit handlers, and go on as the starter. Returns only if that fails, which is logged.

        Handlers that hang are cut after `limit_s` seconds, and by signals that are to end the server: until the exec no
        process acts on what comes to this pid.
        """
        _run_atexit_handlers(signals, limit_s)
        pending: list[int] = []

        def state() -> StarterState:
            pending.extend(signals.take())
            return StarterState(
                executable=program.executable,
                argv=program.argv,
                directory=program.directory,
                environ=program.environ,
                link=(self._ours.fileno(), self._theirs.fileno()),
                generation=1,
                held=self._held._replace(scoreboard=scoreboard),
                pending=(*self._stopped_by, *pending),
                nohup=self._nohup,
                takes_flag=program.takes_flag,
                log_format=self._log_format,
            )

        try:
            become_starter(state, program.argv)
        except OSError as error:
            log.error("cannot become the starter (%s: %s): staying as this process", error.strerror, sys.executable)
            for number in (*self._stopped_by, *pending):
                signals.push(number)

    def close(self) -> None:
        """The server has stopped, or could not start."""
        self.let_go()
        with no_fork():
            self._ours.close()
            self._theirs.close()
        self._withhold_no_more()


def _run_atexit_handlers(signals: SignalQueue, limit_s: float | None) -> None:
    ends = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    told = any(number in signals for number in ends)
    # One that is cut is reported as Python does with any exception in a handler, and the next one is called.
    with contextlib.suppress(KeyboardInterrupt), cut_after(0.0 if told else limit_s, ends, signals.push):
        atexit._run_exitfuncs()
