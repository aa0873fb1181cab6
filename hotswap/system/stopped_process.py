"""Whether a process runs (proc(5))."""

from __future__ import annotations


def is_stopped(pid: int) -> bool:
    """Whether it does not run, for it was suspended or has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The state follows the command, which may have blanks and brackets in it.
            return file.read().rpartition(b")")[2].split()[0] in (b"T", b"t", b"Z", b"X")
    except OSError:
        return True
