"""What `hotswap start` was told: Server::Starter's options, and what was opened before the starter was executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hotswap.starter import memory_file


class StartOptions(NamedTuple):
    """Times are seconds. Signals are numbers. Paths are absolute, "" where there is none.

    sockets: the names of SERVER_STARTER_PORT with their descriptors, in its order. socket_paths: the unix sockets'
    files, which go with the starter. drain_timeout_s: 0 is no limit. pid_fd: the locked pid file, -1 for none.
    """

    command: tuple[str, ...]
    environ: Mapping[str, str]
    directory: str
    sockets: tuple[tuple[str, int], ...]
    socket_paths: tuple[str, ...]
    interval_s: float
    signal_on_hup: int
    signal_on_term: int
    status_file: str
    pid_file: str
    pid_fd: int
    boot_timeout_s: float
    drain_timeout_s: float

    def to_fd(self) -> int:
        """A descriptor of a file in memory that has these options, for `from_fd` behind the exec. Raises OSError."""
        return memory_file.write("hotswap-start", self)

    @classmethod
    def from_fd(cls, fd: int) -> StartOptions:
        """Read what `to_fd` wrote, and close the descriptor."""
        command, environ, directory, sockets, paths, *rest = memory_file.read(fd)
        named = tuple((name, number) for name, number in sockets)
        return cls(tuple(command), environ, directory, named, tuple(paths), *rest)

    def descriptors(self) -> list[int]:
        """Everything that has to survive the exec, beside the file of the options itself."""
        return [*(fd for _, fd in self.sockets), *([self.pid_fd] if self.pid_fd >= 0 else [])]
