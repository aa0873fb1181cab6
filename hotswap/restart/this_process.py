"""What this process was born with, and what of it is still to be taken: a successor's handoff, its predecessor."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hotswap.errors import BindError
from hotswap.restart.debuggers import without_debugger
from hotswap.restart.directory import paths_in, told_by
from hotswap.restart.handoff import Handoff
from hotswap.restart.predecessor import Predecessor
from hotswap.restart.program import Origin, Program, describe
from hotswap.restart.second_chance import SecondChance
from hotswap.restart.starter_link import StarterLink
from hotswap.system.fork_guard import no_fork, withhold
from hotswap.system.unforkable import Unforkable

if TYPE_CHECKING:
    from hotswap.restart.boot_stderr import BootStderr

#: The interpreter as it was found, in $PATH or by its name.
EXECUTABLE = sys.executable

#: As contextlib.ExitStack.push takes it.
ExitCallback = Callable[..., None]


def this_program(directory: str, environ: Mapping[str, str]) -> Program:
    """How to start this program again, in `directory`; without the debugger that it was started with."""
    arguments, debugger = without_debugger(sys.orig_argv)
    return describe(arguments, EXECUTABLE, directory, environ)._replace(debugger=debugger)


class Bootstrap:
    """What this process was born with. `physical`: the directory that `program` was started in, with all links
    resolved; "" if it is gone. `handoff` and `predecessor` are None in generation 1.

    No dataclass: with what it imports, that module costs each of the commands 5 ms.
    """

    def __init__(self, program: Program, origin: Origin, physical: str) -> None:
        self.program = program
        self.origin = origin
        self.physical = physical
        #: threads and connections that are none of the application's: an agent has made them before it was loaded
        self.agents = Unforkable()
        self.handoff: Handoff | None = None
        self.predecessor: Predecessor | None = None
        #: what stands in the place of standard error until this process serves; None in generation 1
        self.stderr: BootStderr | None = None
        self.link = StarterLink()
        self.error = ""
        self.remembered: deque[int] = deque()
        #: the descriptors of the handoff that no object owns yet, which are kept from forked children here
        self._ownerless: set[int] = set()
        #: SIGHUP was ignored when the server was started, as by nohup(1)
        self.nohup = False
        #: the path that `watch` names, and its state when a successor was started last, or this process; "" for none
        self.watched = ("", "")
        #: for the next serve(), should the one under way fail
        self._second_chance: SecondChance | None = None
        #: the predecessor was told that a serve() has failed
        self._has_failed = False
        #: the addresses that could not be bound, here or before: who serves next need not try them
        self.tried: set[str] = set()

    @property
    def generation(self) -> int:
        return self.origin.generation

    def loads_application(self) -> None:
        """Called before hotswap loads it: what is here now is none of the application's."""
        self.agents = Unforkable.now()

    def find_link(self, settings: Sequence[str]) -> Iterator[str]:
        """Learn from paths in the settings too, which are known only now, by which link this program was started.

        Yields what the user should know of it, as sentences. Later generations follow the link that they were given.
        """
        if self.generation > 1:
            return
        # Imported here: only a first generation needs it.
        from hotswap.restart.missed_links import doubt, interpreter_left_behind

        paths = paths_in(settings)
        environ = self.program.environ
        if self.program.directory == self.physical and (told := told_by(paths, self.physical)):
            self.program = this_program(told, environ)
        directory, executable = self.program.directory, self.program.executable
        if directory == self.physical and (sentence := doubt(environ.get("PWD", ""), directory)):
            yield sentence
        typed = (directory, *paths_in(self.program.argv[1:]), *paths)
        if sys.prefix != sys.base_prefix and (sentence := interpreter_left_behind(executable, typed)):
            yield sentence

    def is_forked(self) -> None:
        """Called in a fork of the process that was started, which ends: this one is meant in its place."""
        if os.environ.get("LISTEN_PID") == str(self.origin.pid):
            os.environ["LISTEN_PID"] = str(os.getpid())
        self.origin = self.origin._replace(pid=os.getpid(), parent=os.getppid())

    def claim(self) -> Handoff | None:
        """Hand the handoff out, once: a second `serve()` in the same process starts without it, unless this one fails.

        Its descriptors are kept from forked children until `owned` is told that an object has them.
        """
        handoff, self.handoff = self.handoff, None
        if handoff is not None:
            with contextlib.suppress(OSError):
                self._second_chance = SecondChance(handoff)
        return handoff

    def joined(self, board: int) -> ExitCallback:
        """The scoreboard that was passed has an owner. Returns what is to be called before that closes it."""
        self.owned([board])

        def keep(kind: type[BaseException] | None, *_: object) -> None:
            if kind is not None and self._second_chance is not None:
                with contextlib.suppress(OSError):
                    self._second_chance.keep_board(board)

        return keep

    def end_of_claim(self, kind: type[BaseException] | None, *_: object) -> None:
        """`serve()` has given back what it had. If it has failed, what was passed is there for the next one.

        Without a predecessor that would end this process, or a starter that has the listeners anyway, only where the
        next one is likely: a listener that no process accepts from makes clients hang.
        """
        chance, self._second_chance = self._second_chance, None
        with no_fork():
            self._close_ownerless()
            if chance is None:
                return
            watched = self.link.exists or (self.predecessor is not None and self.predecessor.lives)
            if kind is not None and (watched or issubclass(kind, BindError)):
                self._keep(chance.take())
            chance.close()

    def tried_in_vain(self, served: Iterable[str]) -> tuple[str, ...]:
        """The addresses that could not be bound, less those that are served by now."""
        return tuple(sorted(self.tried - set(served)))

    def forget_second_chance(self) -> None:
        """This process serves; or it is a worker of the one that does."""
        if self._second_chance is not None:
            self._second_chance.close()
            self._second_chance = None

    def let_go_of_predecessor(self) -> Predecessor | None:
        """Hand the predecessor out, once, by a process that serves or need not: what is left to say is the caller's."""
        self.forget_second_chance()
        if self.stderr is not None:
            self.stderr.put_back()
        predecessor, self.predecessor = self.predecessor, None
        return predecessor

    @contextlib.contextmanager
    def telling_failures(self) -> Iterator[None]:
        """Send an exception inside to the predecessor, which logs it and shows it to `hotswap restart`; it goes on to
        the caller.

        The predecessor ends this process soon after that, unless it hears that another `serve()` has begun.
        """
        if self._has_failed and self.predecessor is not None:
            self.predecessor.stage("trying again")
        try:
            yield
        except Exception as error:
            if self.predecessor is not None:
                self._has_failed = True
                self.predecessor.failed_with(type(error), error, error.__traceback__)
            raise

    def take(self, handoff: Handoff) -> None:
        """Keep the handoff until it is claimed, and its descriptors from children that the program forks meanwhile."""
        self.tried.update(handoff.tried)
        self.watched = (handoff.watched_path, handoff.watched_state)
        withhold(lambda: self._ownerless)
        self._keep(handoff)

    def _keep(self, handoff: Handoff) -> None:
        self.handoff = handoff
        self._ownerless = {item.fd for item in handoff.listeners} | set(handoff.resources())

    def owned(self, fds: Iterable[int]) -> None:
        """These descriptors have an owner now, or are closed: then call it in the same `no_fork()` as close."""
        self._ownerless.difference_update(fds)

    def _close_ownerless(self) -> None:
        """Close what a boot that has failed did not come to."""
        while self._ownerless:
            with contextlib.suppress(OSError):
                os.close(self._ownerless.pop())
