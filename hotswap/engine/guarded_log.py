"""The log of an engine: what its owner's logger raises costs no connection and no thread."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from hotswap.engine.base import Logger


class GuardedLog:
    """A log none of whose methods raises. Any thread calls them, also between acquiring and releasing a connection.

    logging catches what its handlers raise (logging.Handler.handleError); what a filter or a user's logger_class raises
    it lets through. The first such failure is printed to standard error with its traceback, as logging does it.
    """

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._has_failed = False

    @property
    def access_log_enabled(self) -> bool:
        return self._log.access_log_enabled

    def debug(self, msg: str, /, *args: Any) -> None:
        self._say(self._log.debug, msg, args)

    def info(self, msg: str, /, *args: Any) -> None:
        self._say(self._log.info, msg, args)

    def warning(self, msg: str, /, *args: Any) -> None:
        self._say(self._log.warning, msg, args)

    def error(self, msg: str, /, *args: Any) -> None:
        self._say(self._log.error, msg, args)

    def exception(self, msg: str, /, *args: Any) -> None:
        self._say(self._log.exception, msg, args)

    def access(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: Any) -> None:
        """One that fails is told to the error log: the client has its answer, and goes on."""
        try:
            self._log.access(resp, req, environ, request_time)
        except (Exception, SystemExit):  # noqa: BLE001  whatever it is
            self.exception("the access log failed")

    def _say(self, say: Callable[..., object], msg: str, args: tuple[Any, ...]) -> None:
        try:
            say(msg, *args)
        except (Exception, SystemExit):  # noqa: BLE001  there is no log to say it in
            if not self._has_failed:
                self._has_failed = True
                with contextlib.suppress(Exception):  # standard error may be closed
                    traceback.print_exc()
