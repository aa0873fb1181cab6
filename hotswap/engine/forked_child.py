"""The end of a process that the application has forked where the engine calls it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from hotswap.engine.base import Logger


def end_forked_child(error: BaseException, log: Logger) -> NoReturn:
    """Called in the child, in the place of going on: it has its parent's sockets, and the epoll that both poll with.

    `error` is what would go through our frames: SystemExit gives its status, all else is logged, and is 1.
    """
    if not isinstance(error, SystemExit):
        log.exception("a process that the application has forked failed")
        os._exit(1)
    os._exit(error.code if isinstance(error.code, int) else error.code is not None)


def end_returned_child(log: Logger) -> NoReturn:
    """The same for a child that has come back from the application's call as if it were its parent."""
    log.warning(
        "a process that the application has forked came back from its call, and is ended: it should end itself, by "
        "os._exit()"
    )
    os._exit(0)
