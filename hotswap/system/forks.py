"""What a child that the application forks must not keep.

While it holds a listener open, clients go on to connect after the server has stopped, and wait for nobody. A program
that is executed gets nothing anyway: every descriptor of ours is close-on-exec. fork(2) copies them all.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator

Descriptors = Callable[[], Iterable[int]]

_withheld: list[Descriptors] = []
_own = threading.local()


def withhold(descriptors: Descriptors) -> Callable[[], None]:
    """Keep from forked children what `descriptors()` gives at the fork; returns the call that ends this."""
    _withheld.append(descriptors)
    return lambda: _withheld.remove(descriptors)


@contextlib.contextmanager
def own_fork() -> Iterator[None]:
    """A fork in here is one of ours: its child serves, and keeps everything."""
    _own.now = True
    try:
        yield
    finally:
        _own.now = False


def _after_fork_in_child() -> None:
    if getattr(_own, "now", False):
        _own.now = False  # its own children are the application's
        return
    # Not just closed: objects that believe to own these numbers would close, later, what has got them by then.
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptors in _withheld:
        for fd in descriptors():
            if fd >= 0:
                os.dup2(null, fd, inheritable=False)
    os.close(null)


os.register_at_fork(after_in_child=_after_fork_in_child)
