"""What the interpreter writes when a fatal signal ends the process: the stack of every thread (faulthandler).

A program that has faulthandler on for itself keeps it as it is. Nothing is ever switched off here: that would take
away the handlers that other code, such as a JVM, has installed since.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import weakref

#: At most so much of a dump is read (bytes).
_LIMIT = 16 * 1024


class _Descriptor:
    """A file as faulthandler wants it. It holds the only reference: a program that switches faulthandler on for another
    file takes this one's place, and that is the only way to know of it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def flush(self) -> None:
        """Nothing is buffered."""


_ours: weakref.ref[_Descriptor] | None = None


def write_to(fd: int) -> None:
    """Have dumps written to `fd`, which must stay open, unless the program wants them elsewhere."""
    global _ours
    if faulthandler.is_enabled() and not are_ours():
        return
    file = _Descriptor(fd)
    faulthandler.enable(file)
    _ours = weakref.ref(file)


def are_ours() -> bool:
    """Whether dumps go where `write_to` was told last."""
    return _ours is not None and _ours() is not None


class DumpFile:
    """A file without a name for the dump of one process that is about to be forked, so that two that crash at once do
    not write into each other's lines. Where dumps are not ours, or there is no descriptor left, it is none."""

    def __init__(self) -> None:
        self._fd = -1
        if are_ours():
            with contextlib.suppress(OSError):
                self._fd = os.memfd_create("hotswap-crash", os.MFD_CLOEXEC)

    def use(self) -> None:
        """Called in the forked process."""
        if self._fd >= 0:
            write_to(self._fd)

    def read(self) -> str:
        """What it has left there, once it has ended."""
        return os.pread(self._fd, _LIMIT, 0).decode("utf-8", "replace") if self._fd >= 0 else ""

    def close(self) -> None:
        """Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
