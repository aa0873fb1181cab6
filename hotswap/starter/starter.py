"""The starter's life: it starts the server, listens to its generations, and replaces a server that has died."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import time
from typing import Any

from hotswap.lifecycle.starter_decisions import Aftermath, Deaths, Fallen
from hotswap.restart.starter_messages import RESTART
from hotswap.starter.exit_statuses import ExitStatuses, describe
from hotswap.starter.generations import STOPS, Generation, Generations
from hotswap.starter.launcher import Launcher
from hotswap.starter.standard_error import log, write_as
from hotswap.starter.starter_signals import TAKEN, StarterSignals
from hotswap.starter.starter_state import StarterState
from hotswap.system import fd_messages
from hotswap.system.hang_up import HangUp
from hotswap.system.main_loop import MainLoop, Timer
from hotswap.system.sd_notify import Notifier
from hotswap.system.signals import HANDLED, SignalQueue


class Starter:
    """Owns every descriptor of its state. On the main thread, the only one."""

    def __init__(self, state: StarterState) -> None:
        self._state = state
        write_as(state.log_format)
        self._launcher = Launcher(state)
        self._link = socket.socket(fileno=state.link[0])
        self._link.setblocking(False)
        self._generations = Generations()
        self._statuses = ExitStatuses()
        self._deaths = Deaths()
        self._loop = MainLoop()
        self._queue = SignalQueue(handled=TAKEN)
        hang_up = HangUp(ignored=state.nohup)
        self._signals = StarterSignals(self._queue, self._loop, self._generations, hang_up, self)
        self._notifier = Notifier.from_environ(state.environ)
        self._ever_served = state.generation > 0
        #: whether the server stops: from then on nothing is started
        self.stops = False
        self._restart_wanted = False
        #: when no generation serves
        self._next_start: Timer | None = None
        #: time.monotonic()
        self._hup_came = 0.0
        self._over = False

    def run(self) -> int:
        """Return the server's exit status, once it is gone for good."""
        with self._queue:
            for fd in self._state.descriptors():
                os.set_inheritable(fd, False)
            for before in self._state.known:
                with contextlib.suppress(OSError):
                    self._watch(Generation.known(before, time.monotonic()))
            # Children may have ended before there was a handler.
            for number in (*self._state.pending, signal.SIGCHLD):
                self._queue.push(number)
            # Blocked before the exec: from here on none of them has its default.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*HANDLED, signal.SIGCHLD))
            self._loop.watch(self._link.fileno(), self.listen)
            self._signals.watch()
            if self._state.runs:
                log("the starter was executed anew: pid and server stay")
                self._loop.call(self._look_after_exec)
            elif self._ever_served:
                log("generation 1 has retired: its process is the starter now, and the pid stays")
                self._loop.call(self._look_after_exec)
            else:
                log(f"the pid stays at a restart, for {self._state.why}")
                self._start()
            while not self._over:
                self._loop.wait(lambda: log(f"an error in the starter: {sys.exc_info()[1]!r}"))
        return self._statuses.result

    # a generation begins

    def _start(self) -> None:
        try:
            self._know(self._launcher.start(), self._launcher.highest)
        except OSError as error:
            log(f"cannot start generation {self._launcher.highest} ({error.strerror}: {error.filename})")
            self._judge(Fallen(has_served=False, served_s=0.0, told_to_stop=False), 127)

    def _know(self, pid: int, number: int) -> Generation:
        generation = self._generations.find(pid)
        if generation is None:
            generation = Generation(pid, number, time.monotonic())
            self._watch(generation)
            if self.stops:
                # A successor that was on its way, and whose predecessor may be gone.
                generation.signal(signal.SIGTERM)
        self._launcher.highest = max(self._launcher.highest, number)
        return generation

    def _watch(self, generation: Generation) -> None:
        self._generations.add(generation)
        self._statuses.expect(generation.pid)
        self._loop.watch(generation.pidfd, functools.partial(self._on_exit, generation))

    # what generations say

    def listen(self) -> None:
        """Take what they have said."""
        with contextlib.suppress(BlockingIOError):
            while (message := fd_messages.receive(self._link)) is not None:
                self._take(*message)

    def _take(self, facts: dict[str, Any], fds: list[int]) -> None:
        if "ended" in facts:
            self._statuses.learn(facts["ended"], facts["status"])
            return
        if "starts" in facts:
            self._launcher.highest = max(self._launcher.highest, facts["starts"])
            return
        try:
            generation = self._know(facts["pid"], facts["generation"])
        except OSError:
            # It has ended since, and all that still matters is whether the server has ended with it, and how.
            fd_messages.close_all(fds)
            if facts["state"] in STOPS:
                self._statuses.count(facts["pid"], None)
                self._stop_starting()
            return
        if "notify" in facts:
            self._notify(facts["notify"])
        elif fds:
            generation.give(facts, fds)
            self._write_as(facts.get("log_format", "text"))
            if generation.serves:
                # It has taken the service back: what its successor had is not the server's any more.
                self._launcher.adopt(generation.take_held())
        else:
            self._hear(generation, facts["state"])

    def _write_as(self, log_format: str) -> None:
        self._state = self._state._replace(log_format=log_format)
        write_as(log_format)

    def _hear(self, generation: Generation, state: str) -> None:
        before = generation.state
        generation.say(state)
        if generation.serves and before == "booting":
            self._launcher.adopt(generation.take_held())
            self._ever_served = True
        if generation.stops and not self.stops:
            self._stop_starting()
        if generation.serves and self._restart_wanted:
            self._order_restart()

    def _notify(self, text: str) -> None:
        """systemd's main process is this one: a generation must not name itself."""
        if self._notifier is not None:
            self._notifier.pass_on(line for line in text.splitlines() if not line.startswith("MAINPID="))

    # a generation ends

    def reap(self) -> None:
        """Children have ended."""
        self._statuses.reap()

    def _on_exit(self, generation: Generation) -> None:
        # What it said last is still in the socket.
        self.listen()
        self.reap()
        self._loop.unwatch(generation.pidfd)
        self._generations.remove(generation)
        status = self._statuses.take(generation.pid)
        served = time.monotonic() - generation.began if generation.has_served else 0.0
        generation.close()
        if generation.has_served and generation.holds:
            log(f"generation {generation.number} (pid {generation.pid}) {describe(status)}")
        if generation.has_served and (self.stops or generation.stops):
            # That of a successor which was told to stop before it served says nothing.
            self._statuses.count(generation.pid, status)
        self._judge(Fallen(generation.has_served, served, generation.stops), status)

    def _judge(self, fallen: Fallen, status: int | None) -> None:
        if self._next_start is not None and not self.stops and not fallen.told_to_stop:
            # It had left before the server died, and ends only now.
            return
        holding = self._generations.holding
        verdict = self._deaths.judge(fallen, holding, stopping=self.stops, ever_served=self._ever_served)
        if verdict is Aftermath.REPLACE:
            self._replace()
        elif verdict is Aftermath.GIVE_UP:
            log("the server does not start: giving up")
            self._statuses.give(status or int(self._ever_served))
            self._over = True
        elif verdict is Aftermath.EXIT:
            self._stop_starting()
            self._over = not self._generations

    def _replace(self) -> None:
        delay, number = self._deaths.delay_s, self._launcher.highest + 1
        later = f" in {delay:g} s" if delay else ""
        log(f"no generation serves: starting generation {number}{later}; connections wait meanwhile")
        self._next_start = self._loop.later(delay, self._start_if_wanted)

    def _start_if_wanted(self) -> None:
        self._next_start = None
        if not self.stops and not self._generations.holding:
            self._start()

    def _look_after_exec(self) -> None:
        """Generations that began before this process was the starter have said so by now, or are gone."""
        if not self._generations.holding:
            self._judge(Fallen(has_served=True, served_s=0.0, told_to_stop=False), 0)

    # what signals ask for

    def restart(self) -> None:
        """A deploy's SIGHUP has come."""
        self._hup_came = time.monotonic()
        self._order_restart()

    def _order_restart(self) -> None:
        """The generation that serves starts its successor; one that does not serve yet has the order when it does. If
        there is none, it is started now: what is deployed may be what ends the dying."""
        if self._next_start is not None and not self._generations.holding:
            log(f"received SIGHUP: starting generation {self._launcher.highest + 1} now")
            self._next_start.cancel()
            self._start_if_wanted()
            return
        inboxes = [each.inbox for each in self._generations.serving if each.inbox is not None]
        self._restart_wanted = not inboxes
        if inboxes:
            with contextlib.suppress(OSError):
                fd_messages.send(inboxes[-1], {"order": RESTART, "when": self._hup_came})

    def stop(self, number: signal.Signals) -> None:
        """Stop the server, by sending this signal to its generations."""
        self._stop_starting()
        self._generations.signal(number)
        self._over = self._over or not self._generations

    def _stop_starting(self) -> None:
        """The listeners go at once: while this process has them, clients can connect that no process answers."""
        self.stops = True
        self._launcher.close_listeners()

    def execute_anew(self) -> None:
        """Go on as the starter of the release that serves, in this process: the pid, the children and every descriptor
        stay. While the server stops, or no generation serves, it is not worth a risk."""
        serving = self._generations.serving
        if self.stops or not serving:
            log("the starter is not executed anew, for no generation serves")
            return
        # Only here: it takes ctypes, and half a MiB.
        from hotswap.starter.becoming import PROGRAM, become_starter

        python, program = serving[-1].program
        if not (os.access(python, os.X_OK) and os.path.exists(program)):
            python, program = sys.executable, PROGRAM
        pending: list[int] = []

        def state() -> StarterState:
            pending.extend(self._queue.take())
            return self._launcher.state(pending, [each.as_known() for each in self._generations])

        try:
            become_starter(state, self._state.argv, python, program)
        except OSError as error:
            log(f"the starter cannot be executed anew ({error.strerror}: {python}), and goes on")
            for number in pending:
                self._queue.push(number)
