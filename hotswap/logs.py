"""Log lines with an identity, through gunicorn's logger, so that its log settings mean what they always meant."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import stat
from collections.abc import Iterator
from typing import Any, TextIO

from gunicorn import glogging

from hotswap.errors import SettingError
from hotswap.settings import Config

#: How long a line waits for whoever reads the log; then lines are dropped until somebody reads again (seconds).
PATIENCE = 1.0
#: What gunicorn's logger, and the logging module's configuration, raise for what they cannot use.
_FAULTS = (RuntimeError, OSError, ValueError, TypeError, KeyError, AttributeError, ImportError)
_PIECE = 1000  # characters, at most 4000 bytes: what is writable takes a page (pipe(7))


class Log:
    """gunicorn's logger with `gen=2 pid=4711 ` in front of every message.

    The pid is asked for at every line: a forked process must not sign with its parent's name.
    """

    def __init__(self, cfg: Config, generation: int) -> None:
        """Raises SettingError if the settings do not make a log."""
        self._cfg = cfg
        try:
            self.gunicorn: Any = _made(cfg)
        except _FAULTS as error:
            raise SettingError(_sentence(error)) from error
        self.generation = generation
        self.access = self.gunicorn.access
        _never_block(self.gunicorn.error_log)
        _never_block(self.gunicorn.access_log)

    @property
    def access_log_enabled(self) -> bool:
        """Whether anybody wants to hear of requests: a log, or a logger that does more with them, as statsd's does."""
        does_more = getattr(type(self.gunicorn), "access", None) is not glogging.Logger.access
        return does_more or bool(self.gunicorn.access_log_enabled)

    def _signed(self, message: str) -> str:
        return f"gen={self.generation} pid={os.getpid()} {message}"

    def debug(self, message: str, /, *args: object, **more: Any) -> None:
        """`more`, here and below: `exc_info` and `extra`, as logging has them."""
        self.gunicorn.debug(self._signed(message), *args, **more)

    def info(self, message: str, /, *args: object, **more: Any) -> None:
        self.gunicorn.info(self._signed(message), *args, **more)

    def warning(self, message: str, /, *args: object, **more: Any) -> None:
        self.gunicorn.warning(self._signed(message), *args, **more)

    def error(self, message: str, /, *args: object, **more: Any) -> None:
        self.gunicorn.error(self._signed(message), *args, **more)

    def exception(self, message: str, /, *args: object, **more: Any) -> None:
        """As `error`, with the traceback of the exception that is being handled."""
        self.gunicorn.exception(self._signed(message), *args, **more)

    def metric(self, name: str, value: int, kind: str, message: str) -> None:
        """Tell statsd, where there is one, and the log at level debug. kind: "gauge" or "histogram"."""
        self.debug(message, value, extra={"metric": name, "value": value, "mtype": kind})

    def reopen(self) -> None:
        """Open every log file anew, after logrotate(8) has moved it.

        All or none: gunicorn's logger would close what it then cannot open, and fail at every line.
        """
        for path in self._paths():
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666))
            except OSError as error:
                self.error("cannot reopen %s (%s): the log stays where it is", path, error.strerror)
                return
        self.gunicorn.reopen_files()
        self._give_away()

    def _paths(self) -> set[str]:
        return {handler.baseFilename for log in glogging.loggers() for handler in _files_of(log)}

    def _give_away(self) -> None:
        """Make new files the workers' own, who have to open them as well; gunicorn does so at the start only."""
        if os.geteuid() == 0 and self._cfg.changes_owner:
            for handler in (*_files_of(self.gunicorn.error_log), *_files_of(self.gunicorn.access_log)):
                with contextlib.suppress(OSError):  # /dev/stderr, perhaps
                    os.chown(handler.baseFilename, self._cfg.uid, self._cfg.gid)


def _made(cfg: Config) -> Any:
    logger_class = cfg.logger_class
    if logger_class.__module__.startswith("gunicorn."):
        # gunicorn's own format repeats the pid; a user's logger class or logconfig keeps its format.
        logger_class = type(logger_class.__name__, (logger_class,), {"error_fmt": _ERROR_FORMAT})
    return logger_class(cfg)


def _sentence(error: BaseException) -> str:
    """What gunicorn and logging say is often a wrapper: the reason is what it was raised from."""
    causes: list[str] = []
    following: BaseException | None = error
    while following is not None:
        causes.append(str(following).strip().removeprefix("Error: "))
        following = following.__cause__ or following.__context__
    why = ": ".join(dict.fromkeys(causes))
    return f"cannot open the log ({why}): correct errorlog, accesslog, syslog, logconfig or logger_class"


def _files_of(logger: logging.Logger) -> Iterator[logging.FileHandler]:
    return (handler for handler in logger.handlers if isinstance(handler, logging.FileHandler))


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
