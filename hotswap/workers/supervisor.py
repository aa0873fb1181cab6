"""Keeps the slots of a cluster filled: forks workers, hears their news, replaces those that end or ask for it."""

from __future__ import annotations

import functools
import signal
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from hotswap.engine import InFlight
from hotswap.errors import BootError
from hotswap.lifecycle.leave_policy import LeaveMode, LeavePolicy
from hotswap.lifecycle.worker_decisions import EndMeans, Refill
from hotswap.lifecycle.worker_states import Phase, Stage
from hotswap.system.fd_messages import close_all
from hotswap.system.unforkable import other_threads
from hotswap.workers.channel import ControlMessage, Order, WorkerNews
from hotswap.workers.context import ServerContext
from hotswap.workers.handle import WorkerHandle
from hotswap.workers.health import LOOK_EVERY, HealthCheck, is_too_old
from hotswap.workers.spawn import Forker
from hotswap.workers.worker_slot import WorkerSlot

#: How long a hammered worker may take to end by itself (seconds).
HAMMER_PATIENCE = 2.0


class Supervisor:
    """All workers of this generation. Every method is called on the main thread."""

    def __init__(self, context: ServerContext, forker: Forker) -> None:
        self._context = context
        self._options = context.options
        self._leave_policy = LeavePolicy.of(context.options.leave)
        self._log = context.log
        self._loop = context.loop
        self._forker = forker
        self._health = HealthCheck(context.options, context.log)
        self.phase = Phase.BOOTING
        self.boot_error = ""
        self.slots: list[WorkerSlot] = []
        #: by pid, in the order of their age
        self.handles: dict[int, WorkerHandle] = {}
        self._slot_of: dict[int, WorkerSlot] = {}
        self._to_replace: deque[WorkerHandle] = deque()
        self._warned = False
        self._lame_duck = False

    def at(self, *stages: Stage) -> list[WorkerHandle]:
        """The workers at these stages, in the order of their age."""
        return [handle for handle in self.handles.values() if handle.stage in stages]

    # slots

    def resize(self, number: int) -> None:
        """Have `number` slots. Those given up are the last ones; their workers hand over to the others."""
        before = len(self.slots) or None
        self._context.arbiter.num_workers = number
        # Before any is forked, as gunicorn's arbiter does.
        self._hook("nworkers_changed", self._context.arbiter, number, before)
        while len(self.slots) < number:
            self.slots.append(WorkerSlot(len(self.slots) + 1))
            self.fill(self.slots[-1])
        while len(self.slots) > number:
            self._give_up(self.slots.pop())

    def _give_up(self, slot: WorkerSlot) -> None:
        slot.given_up = True
        slot.cancel()
        for handle in (slot.current, slot.following):
            if handle is not None:
                self.dismiss(handle)

    def fill(self, slot: WorkerSlot) -> None:
        """Fork the next worker for a slot, unless one is on its way.

        While the generation boots an error is raised (BootError); later it is logged, and there is a next time.
        """
        slot.cancel()
        if slot.given_up or slot.following is not None:
            return
        if self.phase is not Phase.BOOTING:
            self._warn_of_threads()
        try:
            handle = self._forker.fork(slot.number, slot.listeners, self.handles.values())
        except Exception as error:
            if self.phase is Phase.BOOTING:
                raise BootError(f"cannot fork worker {slot.number} ({error})") from error
            self._log.exception("cannot fork worker %d", slot.number)
            self._fill_later(slot, 0.0)
            return
        slot.following = handle
        self._watch(handle, slot)

    def _watch(self, handle: WorkerHandle, slot: WorkerSlot) -> None:
        self.handles[handle.pid] = handle
        self._slot_of[handle.pid] = slot
        self._context.arbiter.WORKERS[handle.pid] = handle.worker
        self._loop.watch(handle.channel.fileno(), functools.partial(self._on_news, handle))
        self._loop.watch(handle.pidfd, functools.partial(self._on_exit, handle))
        self._log.info("%s is loading", handle)

    def _warn_of_threads(self) -> None:
        threads = [thread.name for thread in other_threads()]
        if threads and not self._warned:
            self._warned = True
            self._log.warning(
                "forking a worker while this process has threads (%s): it may inherit a lock that no thread releases; "
                "start threads in the workers, in the post_fork hook",
                ", ".join(threads),
            )

    def _fill_later(self, slot: WorkerSlot, lived: float) -> None:
        delay = slot.backoff.died(lived)
        if delay == 0:
            self.fill(slot)
            return
        self._log.warning("worker %d is replaced in %g s: those before it ended soon", slot.number, delay)
        slot.cancel()
        slot.timer = self._loop.later(delay, lambda: self.fill(slot))

    # orders

    def accept(self, handle: WorkerHandle) -> None:
        """It has loaded, and may begin."""
        handle.stage = Stage.OPENING
        if self._lame_duck and handle.comes_back:
            handle.order(Order.BE_LAME_DUCK)
        handle.order(Order.ACCEPT)

    def be_lame_duck(self) -> None:
        """All of them, and those that are forked later. gunicorn's classes have no health path."""
        self._lame_duck = True
        for handle in self.at(Stage.OPENING, Stage.SERVING, Stage.DISMISSED):
            if handle.comes_back:
                handle.order(Order.BE_LAME_DUCK)

    def dismiss(self, handle: WorkerHandle, takes: list[str] | None = None, *, moves: bool = True) -> None:
        """Have it leave alone: it hands its connections over to its siblings. One that never accepted ends."""
        if handle.idle:
            self._drop(handle)
            return
        handle.stage = Stage.DISMISSED
        handle.waiting = None
        keys = [listener.key for listener in self._context.listeners] if takes is None else takes
        handle.order(Order.RETIRE, takes=keys, moves=moves, alone=True)
        limit = self._leave_policy.limit_s(LeaveMode.KILL_ALONE)
        if limit is not None:
            # It has a deadline of its own, and then may still wait for threads of the application's.
            self._loop.later(limit, functools.partial(handle.signal, signal.SIGKILL))

    def _drop(self, handle: WorkerHandle) -> None:
        """No client misses it: it is killed; but what has loaded may have been started up (ASGI), and is shut down."""
        if handle.stage is Stage.LOADED and handle.comes_back:
            handle.order(Order.HAMMER)
            self._loop.later(HAMMER_PATIENCE, functools.partial(handle.signal, signal.SIGKILL))
        else:
            handle.signal(signal.SIGKILL)
        handle.stage = Stage.DROPPED

    def leave(self) -> None:
        """From now on no worker is replaced, and one that has not begun to serve does not begin."""
        self.phase = Phase.LEAVING
        for slot in self.slots:
            slot.cancel()
        for handle in self.at(Stage.LOADING, Stage.LOADED):
            self._drop(handle)

    def replace(self, handle: WorkerHandle) -> None:
        """It goes, and cannot be called back: its slot is free at once."""
        handle.stage = Stage.DISMISSED
        slot = self._slot_of[handle.pid]
        if slot.current is handle:
            slot.current = None

    def serve_again(self) -> None:
        """After `leave`: fill the slots of those that have ended meanwhile."""
        self.phase = Phase.SERVING
        for handle in self.at(Stage.SERVING):
            if not self._has_its_slot(handle):
                self.dismiss(handle)
        for slot in self.slots:
            if slot.current is None:
                self.fill(slot)

    def _has_its_slot(self, handle: WorkerHandle) -> bool:
        slot = self._slot_of.get(handle.pid)  # none once it has ended
        return slot is not None and slot.current is handle

    # news

    def _on_news(self, handle: WorkerHandle) -> None:
        for message in handle.news():
            close_all(message.fds)
            self.take_news(handle, message)
        if handle.channel.closed:
            self._loop.unwatch(handle.channel.fileno())

    def take_news(self, handle: WorkerHandle, message: ControlMessage) -> None:
        """Act on what a worker has said."""
        _HANDLERS[WorkerNews(message.what)](self, handle, message.facts)

    def _loaded(self, handle: WorkerHandle, facts: Mapping[str, Any]) -> None:
        if handle.stage is not Stage.LOADING:  # told to leave meanwhile
            return
        handle.stage = Stage.LOADED
        handle.worker.booted = True
        if self.phase is Phase.SERVING:
            self.accept(handle)

    def _accepting(self, handle: WorkerHandle, facts: Mapping[str, Any]) -> None:
        """Only now may the worker before it leave."""
        slot = self._slot_of[handle.pid]
        before = slot.current
        if slot.following is handle:
            slot.current, slot.following = handle, None
            if before is not None and self.phase is Phase.SERVING:
                self.dismiss(before)
        if handle.stage is Stage.OPENING:
            handle.stage = Stage.SERVING
        self._replace_next()

    def _failed(self, handle: WorkerHandle, facts: Mapping[str, Any]) -> None:
        handle.error = str(facts["text"])

    def _wants_replacement(self, handle: WorkerHandle, facts: Mapping[str, Any]) -> None:
        handle.reason = str(facts["reason"])
        if handle.comes_back:
            self._to_replace.append(handle)
            self._replace_next()
        elif self.phase is Phase.SERVING and self._has_its_slot(handle):
            # It has stopped accepting, and cannot wait for its turn.
            self.fill(self._slot_of[handle.pid])

    def _replace_next(self) -> None:
        """A worker that is to be replaced serves on until it is its turn: one application is loaded at a time."""
        while self._to_replace and self.phase is Phase.SERVING and not self._replacing():
            handle = self._to_replace.popleft()
            if handle.stage is Stage.SERVING and self._has_its_slot(handle):
                self.fill(self._slot_of[handle.pid])

    def _replacing(self) -> bool:
        """Whether a replacement is on its way; one that hangs does not count for ever."""
        under_way = [slot.following for slot in self.slots if slot.current is not None and slot.following is not None]
        return any(handle.lived < self._options.boot_timeout_s for handle in under_way)

    def _status(self, handle: WorkerHandle, facts: Mapping[str, Any]) -> None:
        handle.connections, handle.waiting = facts["connections"], facts["waiting"]
        self._context.changed()

    def _cut(self, handle: WorkerHandle, facts: Mapping[str, Any]) -> None:
        handle.cut = [InFlight(method, path, started, "") for method, path, started in facts["requests"]]

    # the clock

    def look_after_workers(self) -> None:
        """Every second, from when the workers serve: end those that are stuck, replace those that are too old."""
        # First: what fails below must not stop the clock.
        self._loop.later(LOOK_EVERY, self.look_after_workers)
        self._look_at_ages()
        self._replace_next()
        self._health.look(list(self.handles.values()), self.phase)

    def _look_at_ages(self) -> None:
        for handle in self.at(Stage.SERVING):
            slot = self._slot_of[handle.pid]
            due = is_too_old(slot.number, handle.lived, len(self.slots), self._options.lifetime_s)
            # A timer: its replacement has failed, and is tried again soon.
            if due and handle not in self._to_replace and not (slot.following or slot.timer):
                self._log.info("%s is to be replaced (workers_lifetime: %.0f s old)", handle, handle.lived)
                self._to_replace.append(handle)

    # ends

    def _on_exit(self, handle: WorkerHandle) -> None:
        """The pidfd is readable: the worker has ended, whatever other processes still hold of what it had open."""
        if handle.reap():
            slot = self.bury(handle)
            self._say_how_it_ended(handle)
            self._refill(slot, handle)
            self._context.changed()

    def bury(self, handle: WorkerHandle) -> WorkerSlot:
        """Let go of a worker that has been reaped; returns the slot that it had."""
        self._loop.unwatch(handle.pidfd)
        self._on_news(handle)  # its last words
        self._loop.unwatch(handle.channel.fileno())
        handle.close()
        self.handles.pop(handle.pid, None)
        self._context.arbiter.WORKERS.pop(handle.pid, None)
        slot = self._slot_of.pop(handle.pid)
        slot.drop(handle)
        self._hook("child_exit", self._context.arbiter, handle.worker)
        return slot

    def _say_how_it_ended(self, handle: WorkerHandle) -> None:
        means = handle.end.means(self.phase)
        why = "\n".join(part for part in (handle.how_it_ended(), handle.error.strip()) if part)
        if means is EndMeans.BOOT_FAILED:
            self.boot_error = self.boot_error or why
        elif means is EndMeans.FAILED:
            self._context.board.count(worker_deaths=1)
            self._log.error("%s", why)
        elif means is EndMeans.LEFT_BY_ITSELF:
            self._log.info("%s has left (%s)", handle, handle.reason)
        else:
            self._log.info("%s %s", handle, means.value)

    def _refill(self, slot: WorkerSlot, handle: WorkerHandle) -> None:
        refill = handle.end.refill(self.phase)
        if refill is Refill.NOW:
            self.fill(slot)
        elif refill is Refill.BACKED_OFF:
            self._fill_later(slot, handle.lived)

    # hooks

    def _hook(self, name: str, *arguments: object) -> None:
        """A hook of gunicorn's; before ready its exception fails the boot, later it is logged."""
        try:
            getattr(self._context.cfg, name)(*arguments)
        except Exception:
            if self.phase is Phase.BOOTING:
                raise
            self._log.exception("the %s hook failed", name)


_HANDLERS: dict[WorkerNews, Callable[[Supervisor, WorkerHandle, Mapping[str, Any]], None]] = {
    WorkerNews.LOADED: Supervisor._loaded,
    WorkerNews.ACCEPTING: Supervisor._accepting,
    WorkerNews.FAILED: Supervisor._failed,
    WorkerNews.WANTS_REPLACEMENT: Supervisor._wants_replacement,
    WorkerNews.STATUS: Supervisor._status,
    WorkerNews.CUT: Supervisor._cut,
}
