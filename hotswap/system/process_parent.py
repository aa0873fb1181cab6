"""Which process is the parent of another one (proc(5))."""

from __future__ import annotations


def parent_of(pid: int) -> int:
    """Return the pid of a process's parent; 0 if it has none in this pid namespace, or there is no telling."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The state and the parent follow the command, which may have blanks and brackets in it.
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0
