"""Log lines with an identity, through gunicorn's logger, so that its log settings mean what they always meant."""

from __future__ import annotations

import logging
import os
import select
import stat
from typing import Any, TextIO

from hotswap.settings import Config

#: How long a line waits for whoever reads the log; then lines are dropped until somebody reads again (seconds).
PATIENCE = 1.0
_PIECE = 1000  # characters, at most 4000 bytes: what is writable takes a page (pipe(7))


class Log:
    """gunicorn's logger with `gen=2 pid=4711 ` in front of every message.

    The pid is asked for at every line: a forked process must not sign with its parent's name.
    """

    def __init__(self, cfg: Config, generation: int) -> None:
        logger_class = cfg.logger_class
        if logger_class.__module__.startswith("gunicorn."):
            # gunicorn's own format repeats the pid; a user's logger class or logconfig keeps its format.
            logger_class = type(logger_class.__name__, (logger_class,), {"error_fmt": _ERROR_FORMAT})
        self.gunicorn: Any = logger_class(cfg)
        self.generation = generation
        self.access = self.gunicorn.access
        _never_block(self.gunicorn.error_log)
        _never_block(self.gunicorn.access_log)

    @property
    def access_log_enabled(self) -> bool:
        return bool(self.gunicorn.access_log_enabled)

    def _signed(self, message: str) -> str:
        return f"gen={self.generation} pid={os.getpid()} {message}"

    def debug(self, message: str, *args: object) -> None:
        self.gunicorn.debug(self._signed(message), *args)

    def info(self, message: str, *args: object) -> None:
        self.gunicorn.info(self._signed(message), *args)

    def warning(self, message: str, *args: object) -> None:
        self.gunicorn.warning(self._signed(message), *args)

    def error(self, message: str, *args: object) -> None:
        self.gunicorn.error(self._signed(message), *args)

    def exception(self, message: str, *args: object) -> None:
        """As `error`, with the traceback of the exception that is being handled."""
        self.gunicorn.exception(self._signed(message), *args)

    def reopen(self) -> None:
        """Open every log file anew, after logrotate(8) has moved it."""
        self.gunicorn.reopen_files()


_ERROR_FORMAT = "%(asctime)s [%(levelname)s] %(message)s"


class PatientHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic at run time since Python 3.11 only
    """Writes to a pipe as long as somebody reads it.

    A full one would stop the main loop in the middle of a line, and with it SIGTERM, restarts and every timeout. A
    slow reader is waited for; one that has stopped costs PATIENCE once, then lines, which are counted.
    """

    _gunicorn = True  # its mark of handlers that it may replace

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Called with the handler's lock held (logging.Handler.handle)."""
        try:
            text = self.format(record) + self.terminator
            if self._dropped and self._has_room():
                text = f"{self._dropped} log lines were dropped, because nobody read them\n{text}"
                self._dropped = 0
            self._write(text)
        except Exception:  # noqa: BLE001  as every handler: a line that cannot be written must not end a request
            self.handleError(record)

    def _write(self, text: str) -> None:
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


def _never_block(logger: logging.Logger) -> None:
    """Put a PatientHandler in place of gunicorn's handler on a pipe or socket; a logconfig's own are left alone."""
    for handler in list(logger.handlers):
        if type(handler) is logging.StreamHandler and hasattr(handler, "_gunicorn") and _is_pipe(handler.stream):
            patient = PatientHandler(handler.stream)
            patient.setFormatter(handler.formatter)
            logger.removeHandler(handler)
            logger.addHandler(patient)


def _is_pipe(stream: TextIO) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # closed, or no file at all
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
