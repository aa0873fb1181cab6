"""What every record of the log has beside logging's own fields: `gen`, `pid` and `event`, for formats of any kind."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

ACCESS = "gunicorn.access"
ERROR = "gunicorn.error"


class RecordFields(logging.Filter):
    """Adds `gen` (the generation), `pid` and `event` to a record that has none of that name, and lets it through.

    event: the step of a life that the line tells of (hotswap.callbacks.STEPS), "access" for a request, else "log".
    Each record asks for the pid anew: a forked process must not sign with its parent's.
    """

    def __init__(self, generation: int) -> None:
        super().__init__()
        self._generation = generation

    def filter(self, record: logging.LogRecord) -> bool:
        fields = record.__dict__
        # Not by logging.setLogRecordFactory: a program that logs with extra={"pid": ...} would get a KeyError.
        fields.setdefault("gen", self._generation)
        fields.setdefault("pid", os.getpid())
        fields.setdefault("event", "access" if record.name == ACCESS else "log")
        return True


def add_fields(generation: int, handlers: Iterable[logging.Handler]) -> None:
    """Give our records these fields, wherever they go, and every record that one of these handlers gets: a format that
    has `%(gen)s` must do for the application's lines as well."""
    fields = RecordFields(generation)
    for filterer in (logging.getLogger(ERROR), logging.getLogger(ACCESS), *handlers):
        # That of an earlier serve() in this process goes.
        filterer.filters[:] = [fields, *(each for each in filterer.filters if not isinstance(each, RecordFields))]
