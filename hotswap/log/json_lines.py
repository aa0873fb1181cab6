"""`log_format=json`: each line is one JSON object, also of a traceback, and of what no code has caught."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from hotswap.log.record_fields import ACCESS

#: Members of a request's object, and gunicorn's names for them (access_log_format).
_REQUEST = {
    "client": "h",
    "user": "u",
    "method": "m",
    "path": "U",
    "query": "q",
    "protocol": "H",
    "referer": "f",
    "agent": "a",
}


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: time, level, gen, pid, event, text; `traceback` where there is one.

    Of a request also client, user, method, path, query, protocol, status, bytes, seconds, referer and agent, less those
    that it does not have; its text is the request line, or what `access_log_format` asks for. Of the records of other
    loggers, `logger` is the name. All characters are ASCII, and no line has a line break in it.
    """

    def __init__(self, access_log_format: str = "") -> None:
        """access_log_format: the user's own, "" for none."""
        super().__init__()
        self._access_log_format = access_log_format

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Raises what a wrong message or its arguments raise, as every formatter does."""
        found = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "gen": getattr(record, "gen", None),
            "pid": getattr(record, "pid", record.process),
            "event": getattr(record, "event", "log"),
            **self._told(record),
        }
        if record.name != ACCESS and not record.name.startswith("gunicorn"):
            found["logger"] = record.name
        if trace := self._traceback(record):
            found["traceback"] = trace
        return json.dumps(found, default=str)

    def _told(self, record: logging.LogRecord) -> dict[str, object]:
        if record.name == ACCESS and isinstance(record.args, Mapping):
            line = record.getMessage() if self._access_log_format else None
            return _of_request(record.args, line)
        # Text formats have no other place for who says it; here it has members of its own.
        signature = f"gen={getattr(record, 'gen', '')} pid={getattr(record, 'pid', '')} "
        return {"text": record.getMessage().removeprefix(signature)}

    def _traceback(self, record: logging.LogRecord) -> str:
        parts = [self.formatException(record.exc_info)] if record.exc_info else [record.exc_text or ""]
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return "\n".join(part for part in parts if part)


def _of_request(atoms: Mapping[str, Any], line: str | None) -> dict[str, object]:
    """Return the members of a request's object, made of gunicorn's atoms."""
    found: dict[str, object] = {"text": _atom(atoms, "r") if line is None else line}
    found.update({name: _atom(atoms, key) for name, key in _REQUEST.items()})
    status = str(_atom(atoms, "s"))
    found["status"] = int(status) if status.isdigit() else status
    found["bytes"] = atoms.get("B")
    found["seconds"] = round(atoms.get("D", 0) / 1e6, 6)
    return {name: value for name, value in found.items() if value not in (None, "-", "")}


def _atom(atoms: Mapping[str, Any], key: str) -> object:
    """As the client has sent it: gunicorn.glogging.SafeAtoms has put a backslash before every quotation mark."""
    value = atoms.get(key)
    return value.replace('\\"', '"') if isinstance(value, str) else value


def log_uncaught(say: Callable[..., object]) -> None:
    """From now on until the process ends, `say` logs what no code has caught, in any thread, in place of a traceback on
    standard error.

    say: takes a message, its arguments and `exc_info`, as logging's do. Ctrl-C stays as it is.
    """
    before = sys.excepthook

    def report(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, Exception):
            before(kind, value, trace)
            return
        say("uncaught: %s", _last_line(kind, value), exc_info=(kind, value, trace), event="uncaught")

    def report_of_thread(args: threading.ExceptHookArgs) -> None:
        if issubclass(args.exc_type, SystemExit):  # as threading's own hook
            return
        name = args.thread.name if args.thread is not None else "an unknown thread"
        value = args.exc_value or args.exc_type()
        info = (args.exc_type, value, args.exc_traceback)
        say("uncaught in thread %s: %s", name, _last_line(args.exc_type, value), exc_info=info, event="uncaught")

    sys.excepthook = report
    threading.excepthook = report_of_thread


def _last_line(kind: type[BaseException], value: BaseException) -> str:
    return f"{kind.__name__}: {value}"
