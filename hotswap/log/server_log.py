"""Log lines with generation and pid, through gunicorn's logger, so that its log settings keep their meaning."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

from hotswap.errors import SettingError
from hotswap.log.access_lines import AccessLines
from hotswap.log.duplicates import write_once
from hotswap.log.patient_handler import never_block
from hotswap.log.record_fields import add_fields
from hotswap.settings import Config
from hotswap.settings.upstream import glogging

#: What gunicorn's logger and logging.config raise for settings that they cannot use.
_FAULTS = (RuntimeError, OSError, ValueError, TypeError, KeyError, AttributeError, ImportError)
#: With O_NONBLOCK a FIFO without a reader is an error, ENXIO, and not waited for (fifo(7)).
_REOPENING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_ERROR_FORMAT = "%(asctime)s [%(levelname)s] %(message)s"
#: Settings by which the user configures handlers and formats by logging's own means.
_CONFIGURED = ("logconfig", "logconfig_dict", "logconfig_json")


class Log:
    """gunicorn's logger with `gen=2 pid=4711 ` in front of every message. Any thread may log.

    Every line asks for the pid anew: a forked process must not sign with its parent's. `event`, here and below, is the
    step of a life that the line tells of, for formats that have a place for it (`hotswap.log.record_fields`).
    """

    def __init__(self, cfg: Config, generation: int) -> None:
        """Open the log. Raises SettingError if gunicorn or logging cannot use the settings."""
        self._cfg = cfg
        _must_agree(cfg)
        try:
            self.gunicorn: Any = _made(cfg)
        except _FAULTS as error:
            raise SettingError(_sentence(error)) from error
        self.generation = generation
        methods = (getattr(type(self.gunicorn), name) for name in ("info", "warning", "error"))
        #: a user's logger class may have methods that take no `extra`
        self._takes_extra = all(method.__module__.startswith("gunicorn.") for method in methods)
        plain = AccessLines.can_stand_for(self.gunicorn)
        self.access = AccessLines(self.gunicorn).access if plain else self.gunicorn.access
        ours = (self.gunicorn.error_log, self.gunicorn.access_log)
        for logger in ours:
            never_block(logger)
        add_fields(generation, {handler for log in (*glogging.loggers(), logging.root) for handler in log.handlers})
        if any(log.propagate for log in ours):
            write_once({handler for log in (*ours, logging.root) for handler in log.handlers})
        if cfg.log_format == "json":
            self._write_json()

    def _write_json(self) -> None:
        # Imported here: most logs are text.
        from hotswap.log.json_lines import JsonLines

        form = JsonLines(self._cfg.access_log_format if "access_log_format" in self._cfg.given else "")
        for logger in (self.gunicorn.error_log, self.gunicorn.access_log):
            for handler in logger.handlers:
                # Not syslog's, whose lines begin with a tag, and none that a logger class has made.
                if isinstance(handler, logging.StreamHandler) and hasattr(handler, "_gunicorn"):
                    handler.setFormatter(form)

    def log_uncaught(self) -> None:
        """If each line is to be one object, log also what no code has caught: its traceback on standard error would be
        none. Called where no predecessor is told of it."""
        if self._cfg.log_format == "json":
            from hotswap.log.json_lines import log_uncaught

            log_uncaught(self.error)

    @property
    def is_plain_stderr(self) -> bool:
        """Whether its lines are text among the lines that processes print to standard error."""
        return self._cfg.log_format != "json" and self._is_stderr()

    @property
    def is_json_stderr(self) -> bool:
        """Whether its objects are written to standard error, where no other lines should stand."""
        return self._cfg.log_format == "json" and self._is_stderr()

    def _is_stderr(self) -> bool:
        return any(getattr(handler, "stream", None) is sys.stderr for handler in self.gunicorn.error_log.handlers)

    @property
    def access_log_enabled(self) -> bool:
        """Whether requests are to be logged: there is an access log, or a logger class does more, as statsd's does."""
        does_more = getattr(type(self.gunicorn), "access", None) is not glogging.Logger.access
        return does_more or bool(self.gunicorn.access_log_enabled)

    def _signed(self, message: str) -> str:
        return f"gen={self.generation} pid={os.getpid()} {message}"

    def debug(self, message: str, /, *args: object, **more: Any) -> None:
        """Log at level debug. `more`, here and below: `exc_info` and `extra`, as in logging."""
        self.gunicorn.debug(self._signed(message), *args, **more)

    def info(self, message: str, /, *args: object, event: str = "", **more: Any) -> None:
        self.gunicorn.info(self._signed(message), *args, **self._with(event, more))

    def warning(self, message: str, /, *args: object, event: str = "", **more: Any) -> None:
        self.gunicorn.warning(self._signed(message), *args, **self._with(event, more))

    def error(self, message: str, /, *args: object, event: str = "", **more: Any) -> None:
        self.gunicorn.error(self._signed(message), *args, **self._with(event, more))

    def exception(self, message: str, /, *args: object, **more: Any) -> None:
        """Log at level error, with the traceback of the exception that the caller handles."""
        self.gunicorn.exception(self._signed(message), *args, **more)

    def _with(self, event: str, more: dict[str, Any]) -> dict[str, Any]:
        if not (event and self._takes_extra):
            return more
        return {**more, "extra": {**more.get("extra", {}), "event": event}}

    def metric(self, name: str, value: int, kind: str, message: str) -> None:
        """Send a metric to statsd, if the logger class does so, and to the log at level debug.

        kind: "gauge" or "histogram". `message` has one %-placeholder, for the value.
        """
        self.debug(message, value, extra={"metric": name, "value": value, "mtype": kind})

    def reopen(self) -> None:
        """Open every log file anew, after logrotate(8) has moved it. On the main thread.

        If one of them cannot be opened, none is: gunicorn's logger would close it, and then fail at every line.
        """
        for path in self._paths():
            try:
                os.close(os.open(path, _REOPENING, 0o666))
            except OSError as error:
                self.error("cannot reopen %s (%s): the log stays where it is", path, error.strerror)
                return
        self.gunicorn.reopen_files()
        self._give_away()

    def _paths(self) -> set[str]:
        return {handler.baseFilename for log in glogging.loggers() for handler in _files_of(log)}

    def _give_away(self) -> None:
        """Give new files to the workers' user: workers have to open them too. gunicorn does so only at the start."""
        if os.geteuid() == 0 and self._cfg.changes_owner:
            for handler in (*_files_of(self.gunicorn.error_log), *_files_of(self.gunicorn.access_log)):
                with contextlib.suppress(OSError):  # the file may be /dev/stderr
                    os.chown(handler.baseFilename, self._cfg.uid, self._cfg.gid)


def _must_agree(cfg: Config) -> None:
    configured = [name for name in _CONFIGURED if getattr(cfg, name)]
    if cfg.log_format == "json" and configured:
        raise SettingError(
            f"log_format cannot be json where {configured[0]} says how the log is written: leave one of them out, or "
            "name hotswap.log.json_lines.JsonLines as a formatter there"
        )


def _made(cfg: Config) -> Any:
    logger_class = cfg.logger_class
    if logger_class.__module__.startswith("gunicorn."):
        # gunicorn's own format repeats the pid; a user's logger class or logconfig keeps its format.
        logger_class = type(logger_class.__name__, (logger_class,), {"error_fmt": _ERROR_FORMAT})
    return logger_class(cfg)


def _sentence(error: BaseException) -> str:
    """Return the sentence for a log that cannot be opened, with all causes: gunicorn's and logging's own error is often
    only a wrapper around the reason."""
    causes: list[str] = []
    following: BaseException | None = error
    while following is not None:
        causes.append(str(following).strip().removeprefix("Error: "))
        following = following.__cause__ or following.__context__
    why = ": ".join(dict.fromkeys(causes))
    return f"cannot open the log ({why}): correct errorlog, accesslog, syslog, logconfig or logger_class"


def _files_of(logger: logging.Logger) -> Iterator[logging.FileHandler]:
    return (handler for handler in logger.handlers if isinstance(handler, logging.FileHandler))
