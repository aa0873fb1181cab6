"""Takes our descriptors away from children that the application forks.

While such a child holds a listener open, clients can connect after the server has stopped, and no process answers them.
fork(2) copies all descriptors; a program that the application executes gets none of ours, because each is
close-on-exec.
"""

from __future__ import annotations

import contextlib
import os
from _thread import RLock, _local
from collections.abc import Callable, Iterable, Iterator

Descriptors = Callable[[], Iterable[int]]

_withheld: list[Descriptors] = []
#: These are threading.local and threading.RLock. That module would be a tenth of the starter's memory, for nothing.
_own = _local()
#: A thread holds it while it forks, or while it changes what is withheld; that thread may take it again.
_lock = RLock()


def withhold(descriptors: Descriptors) -> Callable[[], None]:
    """Keep from forked children the descriptors that `descriptors()` returns in the child, right after the fork.

    Returns the function that ends this. On the main thread; `descriptors` must not raise.
    """
    _withheld.append(descriptors)
    return lambda: _withheld.remove(descriptors)


@contextlib.contextmanager
def no_fork() -> Iterator[None]:
    """A context in which no other thread forks: one that wants to waits. For code that opens, moves or closes what is
    withheld, on any thread.

    A child forked between such a system call and the note of it would keep a descriptor, or lose one of the
    application's that has got the number. Code in this context must not call the application, and not log: a thread
    that is about to fork may hold logging's lock.
    """
    with _lock:
        yield


@contextlib.contextmanager
def own_fork() -> Iterator[None]:
    """A context in which a fork of this thread is one of ours: its child serves, and keeps all descriptors."""
    _own.now = True
    try:
        yield
    finally:
        _own.now = False


def _after_fork_in_child() -> None:
    try:
        if not getattr(_own, "now", False):
            _let_go({fd for descriptors in _withheld for fd in descriptors() if fd >= 0})
    finally:
        _own.now = False  # forks of the child are the application's
        _lock.release()


def _let_go(fds: set[int]) -> None:
    """Put /dev/null in place of the descriptors, instead of closing them: an object that owns such a number would later
    close the file that has got it by then."""
    if not fds:
        return
    try:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        # The process is at its limit: only the number of one of them can be had.
        os.close(min(fds))
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in fds - {null}:
        os.dup2(null, fd, inheritable=False)
    if null not in fds:
        os.close(null)


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_fork_in_child)
