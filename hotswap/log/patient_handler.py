"""A handler on a pipe that never holds the server up, and takes the place of gunicorn's."""

from __future__ import annotations

import logging
import os
import select
import stat
from collections.abc import Callable
from typing import Any, TextIO

#: How long a line waits for the log's reader; after that, lines are dropped until it reads again (seconds).
PATIENCE = 1.0
_PIECE = 1000  # characters, at most 4000 bytes: a pipe that is writable takes a page (pipe(7))


class PatientHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic at run time since Python 3.11 only
    """Writes to a pipe, and drops lines when its reader has stopped. From any thread.

    A full pipe would stop the main loop in the middle of a line, and with it SIGTERM, restarts and every timeout. For a
    slow reader a line waits up to PATIENCE; after that, lines are dropped and counted until there is room again.
    """

    _gunicorn = True  # gunicorn's mark of the handlers that it may replace
    _dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record. Called with the handler's lock held (logging.Handler.handle); never raises."""
        try:
            text = self.format(record) + self.terminator
            if self._dropped and self._has_room():
                text = self.format(_dropping(record, self._dropped)) + self.terminator + text
                self._dropped = 0
            self._write(text)
        except Exception:  # noqa: BLE001  as in every handler: a line that cannot be written must not end a request
            self.handleError(record)

    def write_line(self, text: str) -> None:
        """Write one line as `emit` does, without a record. The caller holds the lock, and handles what is raised."""
        if self._dropped and self._has_room():
            record = logging.LogRecord("", logging.WARNING, "", 0, "", (), None)
            text = self.format(_dropping(record, self._dropped)) + self.terminator + text
            self._dropped = 0
        self._write(text + self.terminator)

    def _write(self, text: str) -> None:
        if not _is_pipe(self.stream):
            # It was one while this process booted (restart/boot_stderr.py). In pieces, lines of several processes mix.
            self.stream.write(text)
            self.flush()
            return
        for start in range(0, len(text), _PIECE):
            if not self._has_room():
                self._dropped += 1
                return
            self.stream.write(text[start : start + _PIECE])
            self.flush()

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self.stream.fileno(), select.POLLOUT)
        return bool(poll.poll(0 if self._dropped else PATIENCE * 1000))


def _dropping(record: logging.LogRecord, number: int) -> logging.LogRecord:
    """The record that says how many were dropped, for the format that `record` gets."""
    words = "%d log lines were dropped, because no process read the log"
    said = {"levelno": logging.WARNING, "levelname": "WARNING", "exc_info": None, "exc_text": None, "event": "log"}
    return logging.makeLogRecord({**record.__dict__, **said, "msg": words, "args": (number,)})


class PatientFileHandler(PatientHandler, logging.FileHandler):
    """The same for a pipe that has a path, /dev/stderr or a FIFO: it is reopened as a file is."""

    def __init__(self, handler: logging.FileHandler) -> None:
        """Takes over what `handler` has opened."""
        logging.FileHandler.__init__(self, handler.baseFilename, handler.mode, handler.encoding, True, handler.errors)
        self.stream, handler.stream = handler.stream, None


def never_block(logger: logging.Logger) -> None:
    """Put a PatientHandler in place of gunicorn's handler on a pipe or socket; leave a logconfig's handlers alone."""
    handler: Any
    for handler in list(logger.handlers):
        if type(handler) in _PATIENT and hasattr(handler, "_gunicorn") and _is_pipe(handler.stream):
            patient = _PATIENT[type(handler)](handler)
            patient.setFormatter(handler.formatter)
            logger.removeHandler(handler)
            logger.addHandler(patient)


_PATIENT: dict[type[Any], Callable[[Any], PatientHandler]] = {
    logging.StreamHandler: lambda handler: PatientHandler(handler.stream),
    logging.FileHandler: PatientFileHandler,
}


def _is_pipe(stream: TextIO) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # the stream is closed, or is no file at all
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
