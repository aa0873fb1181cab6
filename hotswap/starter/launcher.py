"""Starts generations: with the server's program, and with what the generation that serves has given for the next."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hotswap.restart.handoff import Handoff
from hotswap.restart.program import GRACEFUL
from hotswap.starter.execute import ChildProgram, execute
from hotswap.starter.starter_state import Kept, KnownGeneration, StarterState
from hotswap.system import fd_messages
from hotswap.system.signals import REMEMBERED

_ONE_START_ONLY = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


class Launcher:
    """Owns what generations share, as the starter has it. `highest`: the highest generation number in use."""

    def __init__(self, state: StarterState) -> None:
        self._state = state
        self._environ = dict(state.environ)
        self._held = state.held
        self.highest = state.generation

    def start(self) -> int:
        """Start the generation after the highest; return its pid. Raises OSError with the name of what is missing."""
        self.highest += 1
        state, handoff = self._state, self._handoff()
        flag = (GRACEFUL,) if self.highest > 1 and state.takes_flag else ()
        return execute(
            ChildProgram(
                executable=state.executable,
                argv=(*state.argv, *flag),
                directory=state.directory,
                environ={**self._environ, **handoff.to_environ()},
                fds=handoff.descriptors(),
                # A generation remembers these from its import of hotswap on; until then they wait.
                blocked=REMEMBERED,
            )
        )

    def _handoff(self) -> Handoff:
        state, held = self._state, self._held
        _, their_end = state.link
        return Handoff(
            generation=self.highest,
            predecessor=0,
            listeners=held.listeners,
            exchange_send=held.exchange[0],
            exchange_receive=held.exchange[1],
            scoreboard=held.scoreboard,
            tried=held.tried,
            starter=their_end,
            starter_pid=os.getpid(),
            nohup=state.nohup,
            directory=state.directory,
            takes_flag=state.takes_flag,
        )

    def adopt(self, held: Kept) -> None:
        """The generation that has this serves: keep it, and let go of what it does not have any more, such as an
        address that a deploy has dropped."""
        fd_messages.close_all(self._held.descriptors())
        self._held = held
        if self._environ.get("LISTEN_PID"):
            # Its copies are in the generations' and in our hands now.
            for fd in range(3, 3 + int(self._environ.get("LISTEN_FDS") or 0)):
                fd_messages.close_all([fd])
            for name in _ONE_START_ONLY:
                self._environ.pop(name, None)

    def close_listeners(self) -> None:
        """Nothing is started any more: while this process has them, clients can connect that no process answers."""
        fd_messages.close_all([item.fd for item in self._held.listeners])
        self._held = self._held._replace(listeners=())

    def state(self, pending: Sequence[int], known: Sequence[KnownGeneration]) -> StarterState:
        """What goes through the exec when the starter is executed anew."""
        return self._state._replace(
            environ=self._environ,
            generation=self.highest,
            held=self._held,
            pending=tuple(pending),
            runs=self._state.runs + 1,
            known=tuple(known),
        )
