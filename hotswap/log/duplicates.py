"""No line twice: what one logger and its parent would both write into the same file is written once."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable, Iterable
from typing import Any

_MARK = "written_to"


class Once(logging.Filter):
    """On handlers: lets a record through to each destination once, by whichever handler comes first."""

    def __init__(self, destination: Hashable) -> None:
        super().__init__()
        self._destination = destination

    def filter(self, record: logging.LogRecord) -> bool:
        # On the record itself: the other handlers get it too, on the same thread.
        written: set[Hashable] = record.__dict__.setdefault(_MARK, set())
        is_first = self._destination not in written
        written.add(self._destination)
        return is_first


def write_once(handlers: Iterable[logging.Handler]) -> None:
    """Keep these handlers, of our loggers and of the root logger, from writing the same line twice.

    gunicorn's defaults for logconfig_dict and logconfig_json let both write, one on standard output and one on standard
    error, which mostly are the same terminal or pipe.
    """
    for handler in handlers:
        handler.filters[:] = [each for each in handler.filters if not isinstance(each, Once)]
        handler.addFilter(Once(_destination(handler)))


def _destination(handler: logging.Handler) -> Hashable:
    """What tells whether two handlers write to the same file; the handler itself, if it writes to none."""
    stream: Any = getattr(handler, "stream", None)
    try:
        fd = stream.fileno()
        status = os.fstat(fd)
    except (OSError, ValueError, AttributeError):  # it is closed, opens later, or is no file
        return id(handler)
    # Two pipes below Docker, where one log has the lines of both.
    return "standard" if fd in (1, 2) else (status.st_dev, status.st_ino)
