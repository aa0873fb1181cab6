"""One number for all processes of a server: how often its application was called in any of them."""

from __future__ import annotations

import fcntl
import mmap
import os
import threading

#: The environment variable that names the file; without it there is one process, and it counts for itself.
TALLY = "BENCHMARK_TALLY"

_PROCESSES = 64
_CELL = 8  # bytes
_SIZE = _PROCESSES * _CELL


def make(path: str) -> None:
    """Write the file in which the processes of one server count."""
    with open(path, "wb") as file:
        file.truncate(_SIZE)


class Tally:
    """A file with a cell for each process: no process waits for another one to count."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "r+b")  # noqa: SIM115  it is open as long as this process lives
        self._cells = memoryview(mmap.mmap(self._file.fileno(), _SIZE)).cast("Q")
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._mine = -1

    def count(self) -> None:
        """One call more."""
        with self._lock:
            if self._mine < 0:
                self._mine = self._claim()
            else:
                self._cells[self._mine] += 1

    def _claim(self) -> int:
        """Count the first call in a cell that has none: so it is ours."""
        # In a file opened anew: a forked process has the other one, and so its lock, in common with its parent.
        with open(self._file.name, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            cell = list(self._cells).index(0)
            self._cells[cell] = 1
            return cell

    def total(self) -> int:
        """How many calls there were so far, in all processes."""
        return sum(self._cells)
