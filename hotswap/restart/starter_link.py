"""A generation's link to its starter: the process with the constant pid, which keeps what every generation shares.

All generations have the same end of one SOCK_SEQPACKET pair, as they have the same exchange, and tell the starter on
it what becomes of them. Orders come the other way, on an inbox that each generation makes for itself. The end of file
means that the starter is gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hotswap.restart.handoff import PassedListener
from hotswap.restart.starter_messages import RESTART
from hotswap.system import fd_messages
from hotswap.system.fork_guard import no_fork, withhold
from hotswap.system.parent_death import end_with_parent, outlive_parent

_STARTER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "starter", "entry.py")


class StarterLink:
    """Used on the main thread. Without a starter (`fd` -1) every method does nothing.

    `pid` is the starter's. Where generation 1 is going to become the starter (`serve()`), no process reads on the other
    end until it has: what the generations say waits there.
    """

    def __init__(self, fd: int = -1, pid: int = 0, generation: int = 1) -> None:
        self.pid = pid
        self._generation = generation
        self._sock = socket.socket(fileno=fd) if fd >= 0 else None
        self._inbox: socket.socket | None = None
        self._unsent: deque[tuple[Mapping[str, Any], tuple[int, ...]]] = deque()
        #: never copied: to close a copy would give up this process's slot (`scoreboard/locks.py`)
        self._scoreboard = -1
        if self._sock is not None:
            self._sock.setblocking(False)
            withhold(lambda: (self.fileno(), self.inbox_fd))
            if os.getppid() == pid:
                # Until this process watches the link: one that hangs in an import would keep the listeners.
                end_with_parent(signal.SIGKILL, pid)
            self._tell("booting")

    def fileno(self) -> int:
        """To be watched for `is_gone`, and to be passed on to a successor; -1 if there is no starter."""
        return -1 if self._sock is None else self._sock.fileno()

    @property
    def inbox_fd(self) -> int:
        """To be watched for `orders`; -1 before `give`."""
        return -1 if self._inbox is None else self._inbox.fileno()

    @property
    def exists(self) -> bool:
        return self._sock is not None

    @property
    def has_told_all(self) -> bool:
        """Whether the starter gets to know all that it was told, even if this process dies now."""
        return not self._unsent

    def is_gone(self) -> bool:
        """Whether there was a starter, and it has ended."""
        if self._sock is None:
            return False
        poll = select.poll()
        poll.register(self._sock, 0)  # POLLHUP is told unasked
        return bool(poll.poll(0))

    def watched(self) -> None:
        """From now on this process notices by itself that the starter has ended."""
        if self._sock is not None and os.getppid() == self.pid:
            outlive_parent()

    def show(self, state: str) -> None:
        """Tell the state of this generation."""
        self._tell(state)

    def give(
        self,
        listeners: Sequence[PassedListener],
        exchange: tuple[int, int],
        scoreboard: int,
        tried: Sequence[str],
        log_format: str,
    ) -> None:
        """Give the starter a copy of all that generations share, which it keeps for the next one should this one die,
        with the addresses that were `tried` in vain; the other end of a new inbox; where the starter's own program is,
        of this release of hotswap; and what the settings say of the log, for lines of its own."""
        if self._sock is None:
            return
        if self._inbox is not None:
            self._inbox.close()
        with no_fork():
            self._inbox, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._inbox.setblocking(False)
        self._scoreboard = scoreboard
        fds = [item.fd for item in listeners]
        names = [(item.key, item.identity) for item in listeners]
        program = (sys.executable, _STARTER)
        facts = {"listeners": names, "tried": tried, "program": program, "log_format": log_format}
        with others:
            self._tell("booting", [*fds, *exchange, scoreboard, others.fileno()], **facts)

    def notify(self, text: str) -> None:
        """Have the starter tell systemd: systemd hears its main process only, which is the starter."""
        self._tell("", notify=text)

    def starts(self, generation: int) -> None:
        """Tell, before it is there, that a successor has this number: should this process die before the successor has
        said a word, the starter starts another one, which must be younger, or both would serve on."""
        self._tell("", starts=generation)

    def ended(self, pid: int, code: int) -> None:
        """Tell how a child of this process has ended that was a generation: only its parent can know."""
        self._tell("", ended=pid, status=code)

    def orders(self, obey: Callable[[float], object]) -> None:
        """Read what the starter orders, and call `obey` for each order to restart, with the moment at which the starter
        was told to (time.monotonic())."""
        assert self._inbox is not None
        with contextlib.suppress(BlockingIOError):
            while (message := fd_messages.receive(self._inbox)) is not None:
                if message[0].get("order") == RESTART:
                    obey(message[0]["when"])

    def flush(self) -> None:
        """Send what the socket had no room for."""
        while self._unsent:
            facts, fds = self._unsent.popleft()
            if not self._send(facts, fds):
                self._unsent.appendleft((facts, fds))
                return
            fd_messages.close_all(set(fds) - {self._scoreboard})

    def _tell(self, state: str, fds: Sequence[int] = (), **facts: object) -> None:
        if self._sock is None:
            return
        message = {"pid": os.getpid(), "generation": self._generation, "state": state, **facts}
        self.flush()
        if self._unsent or not self._send(message, fds):
            self._unsent.append((message, tuple(fd if fd == self._scoreboard else os.dup(fd) for fd in fds)))

    def _send(self, facts: Mapping[str, Any], fds: Sequence[int]) -> bool:
        """Whether it is done with: a starter that is gone needs to hear nothing."""
        assert self._sock is not None
        try:
            fd_messages.send(self._sock, facts, fds)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True
