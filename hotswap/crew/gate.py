"""Where a worker of gunicorn's waits between having loaded and accepting, and what it tells when it leaves."""

from __future__ import annotations

import _thread
import os
import select
import signal
import time
from typing import Any

from hotswap.crew.channel import TEXT_LIMIT, News, Order
from hotswap.crew.forking import end_with_parent
from hotswap.crew.post import Post
from hotswap.events import draining
from hotswap.system import title

#: How often the heartbeat is given while waiting (seconds).
BEAT = 0.5
#: What is left between a worker's own deadline and ours (seconds): what it does last takes time too.
_SPARE = 1.0
_FOR_EVER = 10.0 * 365 * 86400


class Gate:
    """One worker's. It is closed until the server process says ACCEPT; then the worker may touch its listeners.

    From then on the server process speaks to it by signals, which gunicorn's workers understand; an order that comes
    before a signal says what it means.
    """

    def __init__(self, worker: Any, post: Post) -> None:
        self._worker = worker
        self._post = post
        self._shared = post.shared
        # It never polls the exchange: whoever looks for somebody to hand a connection over to must not find it.
        self._slot = self._shared.board.take_slot(self._shared.generation, "worker", aloof=True)
        self._graceful = float(self._shared.cfg.graceful_timeout)
        self._loaded = self._left = False
        self.is_open = False
        self._since = 0.0
        self._why: Order | None = None
        self._patience: float | None = None
        self._show("booting")

    def _show(self, state: str) -> None:
        self._slot.set_state(state)
        title.show(self._shared.cfg.proc_name, self._shared.generation, state, f"worker {self._post.number}")

    def beat(self, connections: int) -> None:
        """Show that the worker turns, and what it does; as often as it gives its heartbeat."""
        self._slot.update(requests=self._worker.nr, connections=connections)
        self._slot.beat()

    def failed(self, text: str) -> None:
        """Tell why it is about to end."""
        self._post.channel.send(News.FAILED, text=text[-TEXT_LIMIT:])

    # arriving

    def wait(self) -> None:
        """Say that all is loaded, and wait. Raises SystemExit if the server process is gone."""
        self._has_loaded()
        while not (self.is_open or self._told_to_accept()):
            self._worker.notify()
            # Looked up now: gevent may have put its own in place, which lets greenlets run meanwhile.
            poll = select.poll()
            poll.register(self._post.channel.fileno(), select.POLLIN)
            poll.poll(BEAT * 1000)
        self._open()

    async def pass_through(self, patience: float | None = None) -> None:
        """The same in an asyncio loop, which goes on turning; gives up after `patience` seconds."""
        import asyncio  # only here: whoever uses it has imported it already

        self._has_loaded()
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        until = None if patience is None else loop.time() + patience
        loop.add_reader(self._post.channel.fileno(), news.set)
        try:
            while not (self.is_open or self._told_to_accept()):
                if until is not None and loop.time() > until:
                    return
                self._worker.notify()
                news.clear()
                timer = loop.call_later(BEAT, news.set)
                await news.wait()
                timer.cancel()
        finally:
            loop.remove_reader(self._post.channel.fileno())
        self._open()

    def _has_loaded(self) -> None:
        if not self._loaded:
            self._loaded = True
            self._shared.has_loaded()
            self._post.channel.send(News.LOADED)

    def _told_to_accept(self) -> bool:
        orders = [Order(message.what) for message in self._post.channel.receive()]
        if self._post.channel.closed:
            raise SystemExit(0)
        return Order.ACCEPT in orders

    def _open(self) -> None:
        if not self.is_open:
            self.is_open = True
            # Until here its parent's end kills it, or one whose event loop hangs would keep the listeners. From here on
            # it would notice by itself within a second (gunicorn's workers look at getppid), if it is not busy.
            end_with_parent(signal.SIGTERM)
            self._show("serving")
            self._post.channel.send(News.ACCEPTING)

    # leaving

    def leaves(self, why: str) -> None:
        """It has stopped accepting, or is about to: somebody else must. Called in signal handlers, too."""
        if not self.is_open or self._left:
            return
        self._left, self._since = True, time.monotonic()
        self._post.channel.send(News.SPENT, reason=why)
        self._show("draining" if self._ordered() is Order.DRAIN else "retiring")
        # On another thread: this one may have been interrupted while it held the event's lock.
        _thread.start_new_thread(draining.set, ())

    def _ordered(self) -> Order | None:
        """What the server process wanted with its signal; None: the signal was somebody else's."""
        for message in self._post.channel.receive():
            self._why = Order(message.what)
        return self._why

    def patience(self) -> float:
        """How long the worker may take to leave (seconds): until we would end it by force, and a little less.

        Asked when it begins, which may be a second after it was told to (gunicorn/workers/gasgi.py, `_serve`). gevent's
        worker asks again and again, and gets the same answer.
        """
        if self._patience is None:
            self._patience = self._how_long(self._ordered())
        return self._patience

    def _how_long(self, why: Order | None) -> float:
        if why is None or os.getppid() != self._worker.ppid:  # nobody waits with a hammer
            return self._graceful
        limit = self._graceful if why is Order.DRAIN else float(self._shared.cfg.retire_timeout) or _FOR_EVER
        return max(limit - _SPARE - (time.monotonic() - self._since), 0.0)


class Patience:
    """Stands for the setting `graceful_timeout` in a worker: gunicorn's workers read it when they begin to leave."""

    def __init__(self, setting: Any, gate: Gate) -> None:
        self._setting = setting
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._setting, name)

    def get(self) -> float:
        """Seconds, as of now."""
        return self._gate.patience()
