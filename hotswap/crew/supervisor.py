"""Keeps the seats of a cluster filled: forks workers, hears their news, replaces those that end or ask for it."""

from __future__ import annotations

import enum
import functools
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from hotswap.crew import preload
from hotswap.crew.channel import Message, News, Order, close_all
from hotswap.crew.forking import Forker
from hotswap.crew.member import Member, Stage
from hotswap.crew.post import Shared
from hotswap.crew.seat import Seat
from hotswap.engine import InFlight
from hotswap.errors import BootError
from hotswap.system.waiter import Waiter

#: How often heartbeats are looked at (seconds), as gunicorn's arbiter does.
LOOK_EVERY = 1.0
#: By which part of workers_lifetime the oldest seat's worker outlives the first's: not all are due at once.
AGE_SPREAD = 0.1


class Phase(enum.Enum):
    """What the death of a worker means."""

    BOOTING = "booting"  # this generation cannot become ready
    SERVING = "serving"  # it is replaced
    LEAVING = "leaving"  # one less to wait for


class Supervisor:
    """All workers of this generation. `changed()` is called when one has ended, or has said what it has left."""

    def __init__(self, shared: Shared, waiter: Waiter, forker: Forker, changed: Callable[[], object]) -> None:
        self._shared = shared
        self._log = shared.log
        self._waiter = waiter
        self._forker = forker
        self._changed = changed
        self.phase = Phase.BOOTING
        self.boot_error = ""
        self.seats: list[Seat] = []
        self.members: dict[int, Member] = {}
        self._asking: deque[Member] = deque()
        self._warned = False
        self._looked = time.monotonic()
        #: heartbeats before this moment are not missed: nobody could give them
        self._amnesty = 0.0

    def at(self, *stages: Stage) -> list[Member]:
        """The workers at these stages, in the order of their age."""
        return [member for member in self.members.values() if member.stage in stages]

    # seats

    def resize(self, number: int) -> None:
        """Have `number` seats. Those given up are the last ones; who serves there hands over to the others."""
        before = len(self.seats) or None
        self._shared.arbiter.num_workers = number
        # Before any is forked, as gunicorn's arbiter does.
        self._hook("nworkers_changed", self._shared.arbiter, number, before)
        while len(self.seats) < number:
            self.seats.append(Seat(len(self.seats) + 1))
            self.fill(self.seats[-1])
        while len(self.seats) > number:
            self._give_up(self.seats.pop())

    def _give_up(self, seat: Seat) -> None:
        seat.given_up = True
        seat.cancel()
        for member in (seat.member, seat.following):
            if member is not None:
                self.dismiss(member)

    def fill(self, seat: Seat) -> None:
        """Fork the next worker for a seat, unless one is on its way. At boot an error is raised, later there is a
        next time."""
        seat.cancel()
        if seat.given_up or seat.following is not None:
            return
        if self.phase is not Phase.BOOTING:
            self._warn_of_threads()
        try:
            member = self._forker.fork(seat, self.members.values())
        except Exception as error:
            if self.phase is Phase.BOOTING:
                raise BootError(f"cannot fork worker {seat.number} ({error})") from error
            self._log.exception("cannot fork worker %d", seat.number)
            self._fill_later(seat, 0.0)
            return
        seat.following = member
        self.members[member.pid] = member
        self._shared.arbiter.WORKERS[member.pid] = member.worker
        self._waiter.watch(member.channel.fileno(), functools.partial(self._on_news, member))
        self._waiter.watch(member.pidfd, functools.partial(self._on_exit, member))
        self._log.info("%s is loading", member)

    def _warn_of_threads(self) -> None:
        threads = preload.threads()
        if threads and not self._warned:
            self._warned = True
            self._log.warning(
                "forking a worker while this process has threads (%s): it may inherit a lock that nobody releases; "
                "start threads in the workers, in the post_fork hook",
                ", ".join(threads),
            )

    def _fill_later(self, seat: Seat, lived: float) -> None:
        delay = seat.backoff.died(lived)
        if delay == 0:
            self.fill(seat)
            return
        self._log.warning("worker %d is replaced in %g s: those before it ended soon", seat.number, delay)
        seat.cancel()
        seat.timer = self._waiter.later(delay, lambda: self.fill(seat))

    # orders

    def accept(self, member: Member) -> None:
        """It has loaded, and may begin."""
        member.stage = Stage.OPENING
        member.order(Order.ACCEPT)

    def dismiss(self, member: Member, takes: list[str] | None = None, *, moves: bool = True) -> None:
        """Have it leave alone: it hands its connections over to its siblings. One that never accepted is killed."""
        if member.idle:
            self._kill(member)
            return
        member.stage = Stage.DISMISSED
        member.waiting = None
        keys = [listener.key for listener in self._shared.listeners] if takes is None else takes
        member.order(Order.RETIRE, takes=keys, moves=moves, alone=True)
        if patience := float(self._shared.cfg.retire_timeout):
            # It has a deadline of its own, and then may still wait for threads of the application's.
            self._waiter.later(patience + LOOK_EVERY, functools.partial(member.signal, signal.SIGKILL))

    def _kill(self, member: Member) -> None:
        member.stage = Stage.DROPPED
        member.signal(signal.SIGKILL)

    def leave(self) -> None:
        """Nobody is replaced any more, and who has not begun to serve does not begin."""
        self.phase = Phase.LEAVING
        for seat in self.seats:
            seat.cancel()
        for member in self.at(Stage.LOADING, Stage.LOADED):
            self._kill(member)

    def replace(self, member: Member) -> None:
        """It goes, and cannot be called back: its seat is free at once."""
        member.stage = Stage.DISMISSED
        if member.seat.member is member:
            member.seat.member = None

    def serve_again(self) -> None:
        """After `leave`: fill the seats of those that have ended meanwhile."""
        self.phase = Phase.SERVING
        for member in self.at(Stage.SERVING):
            if member.seat.member is not member:
                self.dismiss(member)
        for seat in self.seats:
            if seat.member is None:
                self.fill(seat)

    # news

    def _on_news(self, member: Member) -> None:
        for message in member.news():
            close_all(message.fds)
            self.take_news(member, message)
        if member.channel.closed:
            self._waiter.unwatch(member.channel.fileno())

    def take_news(self, member: Member, message: Message) -> None:
        _NEWS[News(message.what)](self, member, message.facts)

    def _loaded(self, member: Member, facts: Mapping[str, Any]) -> None:
        if member.stage is not Stage.LOADING:  # told to leave meanwhile
            return
        member.stage = Stage.LOADED
        member.worker.booted = True
        if self.phase is Phase.SERVING:
            self.accept(member)

    def _accepting(self, member: Member, facts: Mapping[str, Any]) -> None:
        """Only now may the one before it leave."""
        seat, before = member.seat, member.seat.member
        if seat.following is member:
            seat.member, seat.following = member, None
            if before is not None and self.phase is Phase.SERVING:
                self.dismiss(before)
        if member.stage is Stage.OPENING:
            member.stage = Stage.SERVING
        self._replace_next()

    def _failed(self, member: Member, facts: Mapping[str, Any]) -> None:
        member.error = str(facts["text"])

    def _spent(self, member: Member, facts: Mapping[str, Any]) -> None:
        member.reason = str(facts["reason"])
        if member.comes_back:
            self._asking.append(member)
            self._replace_next()
        elif self.phase is Phase.SERVING and member.seat.member is member:
            # It has stopped accepting, and cannot wait for its turn.
            self.fill(member.seat)

    def _look_at_ages(self) -> None:
        lifetime = self._shared.cfg.workers_lifetime
        for member in self.at(Stage.SERVING) if lifetime else ():
            seat = member.seat
            due = lifetime * (1 + AGE_SPREAD * seat.number / len(self.seats))
            # A timer: its replacement has failed, and is tried again soon.
            if member.lived >= due and member not in self._asking and not (seat.following or seat.timer):
                self._log.info("%s is to be replaced (workers_lifetime: %.0f s old)", member, member.lived)
                self._asking.append(member)

    def _replace_next(self) -> None:
        """Whoever is to be replaced serves on until it is its turn: one application is loaded at a time."""
        while self._asking and self.phase is Phase.SERVING and not self._replacing():
            member = self._asking.popleft()
            if member.stage is Stage.SERVING and member.seat.member is member:
                self.fill(member.seat)

    def _replacing(self) -> bool:
        """Whether a replacement is on its way; one that hangs does not count for ever."""
        under_way = [seat.following for seat in self.seats if seat.member is not None and seat.following is not None]
        return any(member.lived < self._shared.cfg.boot_timeout for member in under_way)

    def _status(self, member: Member, facts: Mapping[str, Any]) -> None:
        member.connections, member.waiting = facts["connections"], facts["waiting"]
        self._changed()

    def _cut(self, member: Member, facts: Mapping[str, Any]) -> None:
        member.cut = [InFlight(method, path, started, "") for method, path, started in facts["requests"]]

    # ends

    def _on_exit(self, member: Member) -> None:
        """The pidfd is readable: it has ended, whoever may still hold copies of what it had open."""
        if member.reap():
            self.bury(member)
            self._consider(member)
            self._changed()

    def bury(self, member: Member) -> None:
        """Let go of one that has ended."""
        self._waiter.unwatch(member.pidfd)
        self._on_news(member)  # its last words
        self._waiter.unwatch(member.channel.fileno())
        member.close()
        self.members.pop(member.pid, None)
        self._shared.arbiter.WORKERS.pop(member.pid, None)
        seat = member.seat
        if seat.member is member:
            seat.member = None
        if seat.following is member:
            seat.following = None
        self._hook("child_exit", self._shared.arbiter, member.worker)

    def _consider(self, member: Member) -> None:
        """What its end means."""
        why = "\n".join(part for part in (member.how_it_ended(), member.error.strip()) if part)
        if member.stage is Stage.DROPPED:
            self._log.info("%s was not needed any more", member)
        elif member.stage in (Stage.LEAVING, Stage.DISMISSED) and member.ended_well:
            self._log.info("%s has left", member)
        elif member.reason and member.ended_well:
            self._log.info("%s has left (%s)", member, member.reason)
        elif self.phase is Phase.BOOTING:
            self.boot_error = self.boot_error or why
        else:
            self._log.error("%s", why)
        if self.phase is not Phase.SERVING or member.stage in (Stage.DROPPED, Stage.DISMISSED):
            return
        if member.reason and member.ended_well:
            # No crash: gunicorn's workers go when they have served enough, and wait for nobody.
            self.fill(member.seat)
        else:
            self._fill_later(member.seat, member.lived)

    # heartbeats

    def look_at_heartbeats(self) -> None:
        """End who has not given a heartbeat for `timeout` seconds: SIGABRT first, a look later SIGKILL.

        As gunicorn.arbiter.Arbiter.murder_workers. One that loads has given none yet: it has `boot_timeout`.
        """
        self._waiter.later(LOOK_EVERY, self.look_at_heartbeats)
        self._look_at_ages()
        self._replace_next()
        now = time.monotonic()
        if now - self._looked > 3 * LOOK_EVERY:
            # We were stopped, and the workers perhaps with us: they get the time that we had not.
            self._amnesty = now
        self._looked = now
        timeout = self._shared.cfg.timeout
        for member in list(self.members.values()) if timeout else ():
            if member.must_beat and now - max(member.last_heartbeat(), self._amnesty) > timeout:
                self._end_stuck(member, f"gave no heartbeat for timeout = {timeout} s")
        self._look_at_loading()

    def _look_at_loading(self) -> None:
        """One that hangs while it loads would keep its seat for ever, and serve nobody."""
        patience = self._shared.cfg.boot_timeout
        for member in self.at(Stage.LOADING) if self.phase is Phase.SERVING else ():
            if member.lived > patience:
                self._end_stuck(member, f"has not loaded within boot_timeout = {patience:g} s")

    def _end_stuck(self, member: Member, why: str) -> None:
        first, member.worker.aborted = not member.worker.aborted, True
        if first:
            self._log.error("%s %s: ending it", member, why)
        member.signal(signal.SIGABRT if first else signal.SIGKILL)

    # hooks

    def _hook(self, name: str, *arguments: object) -> None:
        """A hook of gunicorn's; before ready its exception fails the boot, later it is logged."""
        try:
            getattr(self._shared.cfg, name)(*arguments)
        except Exception:
            if self.phase is Phase.BOOTING:
                raise
            self._log.exception("the %s hook failed", name)


_NEWS: dict[News, Callable[[Supervisor, Member, Mapping[str, Any]], None]] = {
    News.LOADED: Supervisor._loaded,
    News.ACCEPTING: Supervisor._accepting,
    News.FAILED: Supervisor._failed,
    News.SPENT: Supervisor._spent,
    News.STATUS: Supervisor._status,
    News.CUT: Supervisor._cut,
}
