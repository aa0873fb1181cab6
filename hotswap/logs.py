"""Log lines with an identity, through gunicorn's logger, so that its log settings mean what they always meant."""

from __future__ import annotations

import os
from typing import Any

from hotswap.settings import Config


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
