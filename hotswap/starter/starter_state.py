"""What goes through the exec that makes a process the starter: the server's program, and what all generations share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hotswap.restart.handoff import PassedListener
from hotswap.starter import memory_file


class Kept(NamedTuple):
    """What generations share, as the starter has it: descriptors that are its own, -1 where there is none."""

    listeners: tuple[PassedListener, ...] = ()
    exchange: tuple[int, int] = (-1, -1)
    scoreboard: int = -1
    #: addresses that could not be bound, as in `hotswap.restart.handoff`
    tried: tuple[str, ...] = ()

    def descriptors(self) -> list[int]:
        """All of them."""
        return [fd for fd in (*(item.fd for item in self.listeners), *self.exchange, self.scoreboard) if fd >= 0]


class KnownGeneration(NamedTuple):
    """A generation as the starter knew it when it was executed anew. `inbox` is a descriptor, -1 for none."""

    pid: int
    number: int
    state: str
    has_served: bool
    inbox: int
    held: Kept


class StarterState(NamedTuple):
    """`link`: the starter's end, and the one that every generation has. `generation`: the highest number in use.

    `pending`: signals that came before the exec and were not acted on. `why` the pid has to stay, in words. `nohup`:
    SIGHUP was ignored when the server was started, as by nohup(1). `runs`: how often the starter was executed anew;
    `known` are the generations that it had then. `takes_flag`: the program knows --graceful.
    """

    executable: str
    argv: tuple[str, ...]
    directory: str
    environ: Mapping[str, str]
    link: tuple[int, int]
    generation: int = 0
    held: Kept = Kept()
    pending: tuple[int, ...] = ()
    why: str = ""
    nohup: bool = False
    runs: int = 0
    known: tuple[KnownGeneration, ...] = ()
    takes_flag: bool = True
    #: of its lines: "text" or "json"
    log_format: str = "text"

    def descriptors(self) -> list[int]:
        """Everything that has to survive the exec, beside the file of this state itself."""
        of_known = (fd for each in self.known for fd in (each.inbox, *each.held.descriptors()) if fd >= 0)
        return [*self.link, *self.held.descriptors(), *of_known]

    def to_fd(self) -> int:
        """A descriptor of a file in memory that has this state, for `from_fd` behind the exec. Raises OSError."""
        # A deploy may go back to a release that knows no log_format, and would end at one field more.
        fields = self if self.log_format != "text" else self[: self._fields.index("log_format")]
        return memory_file.write("hotswap-starter", fields)

    @classmethod
    def from_fd(cls, fd: int) -> StarterState:
        """Read what `to_fd` wrote, and close the descriptor."""
        # An older release may have written it, which had fewer fields: those behind its last have their defaults. Or a
        # newer one, which has more: those are left alone, here and below.
        fields = dict(zip(cls._fields, memory_file.read(fd), strict=False))
        fields["argv"], fields["pending"] = tuple(fields["argv"]), tuple(fields["pending"])
        fields["link"] = tuple(fields["link"])
        fields["held"] = _kept(fields["held"])
        fields["known"] = tuple(
            KnownGeneration(pid, number, state, served, inbox, _kept(held))
            for pid, number, state, served, inbox, held, *_ in fields["known"]
        )
        return cls(**fields)


def _kept(fields: list[Any]) -> Kept:
    listeners, exchange, scoreboard, tried, *_ = fields
    passed = tuple(PassedListener(*item[: len(PassedListener._fields)]) for item in listeners)
    return Kept(passed, (exchange[0], exchange[1]), scoreboard, tuple(tried))
