"""The generations as the starter knows them: by what they say on the link, and by their pidfds."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from hotswap.restart.handoff import PassedListener
from hotswap.restart.starter_messages import STOPPED
from hotswap.starter.starter_state import Kept, KnownGeneration
from hotswap.system import fd_messages

#: A process in one of these states serves, will, or would serve again should its successor die.
_HOLDS = frozenset({"booting", "serving", "restarting", "handing-over", "retiring"})
#: ... accepts clients.
_SERVES = frozenset({"serving", "restarting", "handing-over"})
#: ... was told to stop the server, by whichever way.
STOPS = frozenset({"draining", STOPPED})


class Generation:
    """One process. `held` is what it shares; `inbox` takes orders; both are there once it has bound."""

    def __init__(self, pid: int, number: int, began: float) -> None:
        """Raises OSError if there is no such process."""
        self.pid = pid
        self.number = number
        self.began = began
        self.pidfd = os.pidfd_open(pid)
        self.state = "booting"
        self.has_served = False
        self.held = Kept()
        self.inbox: socket.socket | None = None
        #: the interpreter and the starter's program of its release of hotswap
        self.program: tuple[str, str] = ("", "")

    @classmethod
    def known(cls, before: KnownGeneration, now: float) -> Generation:
        """As the starter knew it before it was executed anew. Raises OSError if it has ended."""
        generation = cls(before.pid, before.number, now)
        generation.state, generation.has_served, generation.held = before.state, before.has_served, before.held
        if before.inbox >= 0:
            generation.inbox = socket.socket(fileno=before.inbox)
            generation.inbox.setblocking(False)
        return generation

    def as_known(self) -> KnownGeneration:
        """What the starter has to know of it when it is executed anew."""
        inbox = -1 if self.inbox is None else self.inbox.fileno()
        return KnownGeneration(self.pid, self.number, self.state, self.has_served, inbox, self.held)

    def say(self, state: str) -> None:
        """It has said that this is its state now."""
        self.state = state
        self.has_served = self.has_served or self.serves

    def give(self, facts: dict[str, Any], fds: Sequence[int]) -> None:
        """It has given copies of what it shares, and an inbox; `facts` tell what `fds` are."""
        names = facts["listeners"]
        listeners = [PassedListener(key, fd, identity) for (key, identity), fd in zip(names, fds, strict=False)]
        send, receive, scoreboard, inbox = fds[len(names) :]
        # It may have given before, to serve: that has failed, and this is the next try.
        fd_messages.close_all(self.held.descriptors())
        self.held = Kept(tuple(listeners), (send, receive), scoreboard, tuple(facts.get("tried", ())))
        if self.inbox is not None:
            self.inbox.close()
        self.inbox = socket.socket(fileno=inbox)
        self.inbox.setblocking(False)
        python, program = facts.get("program", ("", ""))
        self.program = (python, program)

    def take_held(self) -> Kept:
        """What it shares belongs to the caller from now on."""
        held, self.held = self.held, Kept()
        return held

    @property
    def holds(self) -> bool:
        """Whether there is a server as long as this process lives."""
        return self.state in _HOLDS

    @property
    def serves(self) -> bool:
        return self.state in _SERVES

    @property
    def stops(self) -> bool:
        """Whether it ends the server, and not only itself."""
        return self.state in STOPS

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, number)

    def close(self) -> None:
        """Close what the starter has of it."""
        fd_messages.close_all(self.held.descriptors())
        os.close(self.pidfd)
        if self.inbox is not None:
            self.inbox.close()


class Generations:
    """Those that have not ended, by pid. False if there is none."""

    def __init__(self) -> None:
        self._by_pid: dict[int, Generation] = {}

    def __iter__(self) -> Iterator[Generation]:
        return iter(self._by_pid.values())

    def __len__(self) -> int:
        return len(self._by_pid)

    def add(self, generation: Generation) -> None:
        """From now on it is known."""
        self._by_pid[generation.pid] = generation

    def remove(self, generation: Generation) -> None:
        """It has ended."""
        self._by_pid.pop(generation.pid, None)

    def find(self, pid: int) -> Generation | None:
        """The one of this pid."""
        return self._by_pid.get(pid)

    @property
    def holding(self) -> list[Generation]:
        """Those because of which there is a server, be it one whose predecessor has died before this process had heard
        of it."""
        return [each for each in self if each.holds]

    @property
    def serving(self) -> list[Generation]:
        """Those that accept clients, the newest one last."""
        return sorted((each for each in self if each.serves), key=lambda each: each.number)

    def signal(self, number: signal.Signals) -> None:
        """Send all of them a signal."""
        for each in self:
            # One that stops already may be at its end, where SIGTERM has its default again, and gives the status.
            if number is not signal.SIGTERM or not each.stops:
                each.signal(number)
