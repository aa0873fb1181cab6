"""A pipe that ends a wait: an event loop polls one end, any thread or signal handler writes to the other."""

from __future__ import annotations

import contextlib
import os


class WakePipe:
    """`fd` becomes readable by `wake()`, until `rest()`.

    `wake()` may be called from any thread and from a signal handler, also long after the loop has ended. Therefore both
    ends stay open as long as anything refers to this object. Were they closed with the loop, a thread that is late, or
    the C part of a signal handler (`signal.set_wakeup_fd`), would write to the number, which may be a database's socket
    by then; and a lock between the two would be no help, because a signal handler must not wait for one.
    """

    fd = write_fd = -1

    def __init__(self) -> None:
        self.fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wake(self) -> None:
        """End the wait; never raises. A full pipe ends it already, and one that was abandoned wakes no loop."""
        with contextlib.suppress(OSError):
            os.write(self.write_fd, b"\0")

    def rest(self) -> None:
        """Empty the pipe, so that `fd` becomes readable only by the next `wake()`. Called by the loop's thread."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.fd, 4096):
                pass

    def abandon(self) -> None:
        """Close both ends. Called in a forked child, whose only thread does not wait with them."""
        fds, self.fd, self.write_fd = (self.fd, self.write_fd), -1, -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)

    def __del__(self) -> None:
        self.abandon()
