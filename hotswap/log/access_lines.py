"""Requests on their way to the access log: gunicorn's lines, without gunicorn's and logging's work where nothing could
tell.

gunicorn makes all atoms of a request, three for each of its headers and variables, and logging makes a record of them,
to write the nine that the usual format names: four times the CPU of a short request. Here the format is taken apart
once, only what it names is made, and the line goes straight to the handler's stream: as long as the logger has the one
handler that gunicorn gave it, and nobody filters, formats, multiplies or observes its records. Else, and at whatever is
unusual in a request, gunicorn does it. Usual lines in a file are C's where there is C (`engine.native.access_log`).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from datetime import timedelta
from io import TextIOWrapper
from time import time
from types import FunctionType
from typing import Any

from hotswap.log.patient_handler import PatientFileHandler, PatientHandler
from hotswap.log.record_fields import RecordFields
from hotswap.settings.upstream import glogging, gunicorn_config

#: What an atom is made of: the logger, the response, the request, its environ, and how long it took.
Atom = Callable[[Any, Any, Any, Any, timedelta], Any]
#: What a whole line is made of, by the same.
Line = Callable[[Any, Any, Any, Any, timedelta], str]

#: Writes the line of an answer to a request with this environ, or says that it has not.
Append = Callable[[Any, Any], bool]

#: A conversion with a name, as printf has it: %(name)s, and with flags and a width.
_CONVERSION = re.compile(r"%\((?P<name>[^()]*)\)(?P<rest>[-#0 +]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa])|%%")
#: What a user's logger class may do otherwise.
_GUNICORNS = ("access", "atoms", "now", "_get_user", "atoms_wrapper_class", "access_log_enabled")
_HANDLERS = (logging.StreamHandler, logging.FileHandler, PatientHandler, PatientFileHandler)
_PLAIN_FORMAT = "%(message)s"


class AccessLines:
    """Writes what `gunicorn.glogging.Logger.access` writes. From any thread."""

    def __init__(self, gunicorn: Any) -> None:
        self._gunicorn = gunicorn
        self._log: logging.Logger = gunicorn.access_log
        self._line = _line_of(gunicorn.cfg.access_log_format)
        self._now = (0, "")
        #: what gives a record to the handlers; None, which it never is, if somebody observes it (Sentry) already
        self._call_handlers = _logging_s_own(logging.Logger.callHandlers)
        self._append_in_c: Append = self._choose

    @staticmethod
    def can_stand_for(gunicorn: Any) -> bool:
        """Whether that logger does nothing else, and its format is an ordinary one."""
        kind, plain = type(gunicorn), glogging.Logger
        if any(getattr(kind, name, None) is not getattr(plain, name, None) for name in _GUNICORNS):
            return False
        try:
            _line_of(gunicorn.cfg.access_log_format)
        except ValueError:
            return False
        return True

    def access(self, resp: Any, req: Any, environ: Any, request_time: timedelta) -> None:
        """Log a request. Raises what gunicorn's raises: of a request without REQUEST_METHOD, for example, KeyError."""
        if self._append_in_c(resp, environ):
            return
        handler = self._handler()
        if handler is None:
            self._gunicorn.access(resp, req, environ, request_time)
            return
        try:
            text = self._line(self, resp, req, environ, request_time)
        except Exception:  # noqa: BLE001  the application has changed its environ: gunicorn knows what that means
            self._gunicorn.access(resp, req, environ, request_time)
            return
        self._write(handler, text)

    def _choose(self, resp: Any, environ: Any) -> bool:
        """The first time: whether C is asked from then on."""
        # Here, where whoever logs requests has imported the engine: a log is opened without it.
        from hotswap.engine.native.choice import WHY_PYTHON

        usual = self._gunicorn.cfg.access_log_format == _USUAL_FORMAT
        self._append_in_c = self._file_in_c() if usual and not WHY_PYTHON else _not_in_c
        return self._append_in_c(resp, environ)

    def _file_in_c(self) -> Append:
        from hotswap.engine.native.access_log import AccessFile

        file = AccessFile(
            gunicorn=self._gunicorn, log=self._log, logging=vars(logging),
            call_handlers=self._call_handlers, go_on=self._go_on,
            handler_kind=logging.FileHandler, formatter_kind=logging.Formatter, record_kind=logging.LogRecord,
            filter_kind=RecordFields, stream_kind=TextIOWrapper,
        )  # fmt: skip
        return file.append

    def _handler(self) -> Any:
        """The only handler, if writing into its stream is all that would be done. Asked for each line, because programs
        change their loggers at any time."""
        log = self._log
        handlers = log.handlers
        if len(handlers) != 1 or not self._gunicorn.access_log_enabled:
            return None
        handler: Any = handlers[0]
        formatter = handler.formatter
        is_plain = (
            not log.propagate
            and type(log).callHandlers is self._call_handlers
            and type(handler) in _HANDLERS
            and handler.level <= logging.INFO
            and log.isEnabledFor(logging.INFO)
            and type(formatter) is logging.Formatter
            and formatter._fmt == _PLAIN_FORMAT
            and _adds_fields_only(log.filters)
            and _adds_fields_only(handler.filters)
            and handler.lock is not None
            and handler.stream is not None
            and logging.getLogRecordFactory() is logging.LogRecord
        )
        return handler if is_plain else None

    def _write(self, handler: Any, text: str) -> None:
        """As `logging.StreamHandler.emit`."""
        with handler.lock:
            try:
                kind = type(handler)
                if kind is logging.FileHandler and type(handler.stream) is TextIOWrapper:
                    _append(handler.stream, text + handler.terminator)
                elif kind is logging.StreamHandler or kind is logging.FileHandler:
                    # Standard output, perhaps: what the application has printed before goes before.
                    handler.stream.write(text + handler.terminator)
                    handler.stream.flush()
                else:
                    handler.write_line(text)
            except Exception:  # noqa: BLE001  as in every handler: a line that cannot be written must not end a request
                self._failed(handler, text)

    def _go_on(self, handler: Any, left: str) -> None:
        """Write what C could not write of a line. Called with the handler's lock held."""
        try:
            _append(handler.stream, left)
        except Exception:  # noqa: BLE001  as above
            self._failed(handler, left)

    def _failed(self, handler: Any, text: str) -> None:
        handler.handleError(self._log.makeRecord(self._log.name, logging.INFO, "", 0, text, (), None))

    def now(self) -> str:
        """gunicorn's time of the line, which changes once a second."""
        now = int(time())
        second, text = self._now
        if second != now:
            text = self._gunicorn.now()
            self._now = (now, text)
        return text

    def user(self, environ: Any) -> str:
        """gunicorn's name of the user."""
        if not environ.get("HTTP_AUTHORIZATION"):
            return "-"
        return self._gunicorn._get_user(environ) or "-"


def _append(stream: TextIOWrapper, text: str) -> None:
    """Write to a file that nobody else writes to through this stream, so nothing waits in its buffer."""
    data, fd = text.encode(stream.encoding, stream.errors or "strict"), stream.fileno()
    written = os.write(fd, data)
    while written < len(data):  # the disk is full, or a signal came
        written += os.write(fd, data[written:])


def _not_in_c(_resp: Any, _environ: Any) -> bool:
    return False


def _logging_s_own(function: Any) -> Any:
    # By the file: an application that puts something of its own in its place does so before the log is opened.
    own = type(function) is FunctionType and function.__code__.co_filename == logging.Logger.info.__code__.co_filename
    return function if own else None


def _adds_fields_only(filters: list[Any]) -> bool:
    return not filters or (len(filters) == 1 and type(filters[0]) is RecordFields)


def _safe(value: Any) -> Any:
    """As gunicorn's SafeAtoms have it."""
    return value.replace('"', '\\"') if isinstance(value, str) else value


def _status(_lines: Any, resp: Any, _req: Any, _environ: Any, _took: timedelta) -> Any:
    status = resp.status
    return _safe(status.split(None, 1)[0] if isinstance(status, str) else status)


def _sent(_lines: Any, resp: Any, _req: Any, _environ: Any, _took: timedelta) -> Any:
    sent = getattr(resp, "sent", None)
    return str(sent) if sent is not None else "-"


def _request_line(_lines: Any, _resp: Any, _req: Any, environ: Any, _took: timedelta) -> str:
    line = f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {environ['SERVER_PROTOCOL']}"
    return line.replace('"', '\\"')


def _variable(name: str, default: str | None) -> Atom:
    return lambda _lines, _resp, _req, environ, _took: _safe(environ.get(name, default))


#: gunicorn's atoms of one letter (gunicorn.glogging.Logger.atoms).
_ATOMS: dict[str, Atom] = {
    "h": _variable("REMOTE_ADDR", "-"),
    "l": lambda _lines, _resp, _req, _environ, _took: "-",
    "u": lambda lines, _resp, _req, environ, _took: _safe(lines.user(environ)),
    "t": lambda lines, _resp, _req, _environ, _took: lines.now(),
    "r": _request_line,
    "s": _status,
    "m": _variable("REQUEST_METHOD", None),
    "U": _variable("PATH_INFO", None),
    "q": _variable("QUERY_STRING", None),
    "H": _variable("SERVER_PROTOCOL", None),
    "b": _sent,
    "B": lambda _lines, resp, _req, _environ, _took: getattr(resp, "sent", None),
    "f": _variable("HTTP_REFERER", "-"),
    "a": _variable("HTTP_USER_AGENT", "-"),
    "T": lambda _lines, _resp, _req, _environ, took: took.seconds,
    "D": lambda _lines, _resp, _req, _environ, took: took.seconds * 1000000 + took.microseconds,
    "M": lambda _lines, _resp, _req, _environ, took: took.seconds * 1000 + int(took.microseconds / 1000),
    "L": lambda _lines, _resp, _req, _environ, took: f"{took.seconds}.{took.microseconds:06d}",
    "p": lambda _lines, _resp, _req, _environ, _took: f"<{os.getpid()}>",
}


def _pair_of(which: str) -> Callable[[Any, Any, Any], Any]:
    """What has the pairs that `{name}i`, `{name}o` and `{name}e` look into."""
    if which == "i":
        return lambda _resp, req, _environ: req.headers if hasattr(req, "headers") else req
    if which == "o":
        return lambda resp, _req, _environ: resp.headers
    return lambda _resp, _req, environ: environ


def _named(name: str) -> Atom:
    """`{name}i`, a header of the request; `{name}o`, of the answer; `{name}e`, a variable of the environ."""
    text, which = name[1:-2].lower(), name[-1].lower()
    find = _pair_of(which)

    def atom(_lines: Any, resp: Any, req: Any, environ: Any, _took: timedelta) -> Any:
        pairs = find(resp, req, environ)
        found = "-"
        for key, value in pairs.items() if hasattr(pairs, "items") else pairs:
            if key.lower() == text:
                found = value  # the last one counts
        return _safe(found)

    return atom


_NAMED = re.compile(r"\{[^{}]*\}[ioeIOE]")


def _atom(name: str) -> Atom:
    if _NAMED.fullmatch(name):
        return _named(name)
    return _ATOMS.get(name, _ATOMS["l"])  # what is unknown is "-"


def _line_of(text: str) -> Line:
    """What makes the lines of this format. Raises ValueError if it has more than conversions with names."""
    atoms = [_atom(found["name"]) for found in _CONVERSION.finditer(text) if found["name"] is not None]
    if "%" in _CONVERSION.sub("", text):
        raise ValueError(f"a conversion without a name, or with a width of its own: {text!r}")
    places = _CONVERSION.sub(lambda found: found[0] if found["name"] is None else "%" + found["rest"], text)

    def line(lines: Any, resp: Any, req: Any, environ: Any, took: timedelta) -> str:
        return places % tuple([atom(lines, resp, req, environ, took) for atom in atoms])

    return _usual_line(line) if text == _USUAL_FORMAT else line


_USUAL_FORMAT: str = gunicorn_config.AccessLogFormat.default
_USUAL_QUOTES = 6


def _usual_line(line: Line) -> Line:
    """`line`, which makes gunicorn's usual format, without a call for each atom."""

    def usual(lines: Any, resp: Any, req: Any, environ: Any, took: timedelta) -> str:
        get, status, sent = environ.get, resp.status, resp.sent
        user = lines.user(environ) if "HTTP_AUTHORIZATION" in environ else "-"
        text = (  # printf's way takes twice as long
            f"{get('REMOTE_ADDR', '-')} - {user} {lines.now()}"
            f' "{environ["REQUEST_METHOD"]} {environ["RAW_URI"]} {environ["SERVER_PROTOCOL"]}"'
            f" {status.split(None, 1)[0] if isinstance(status, str) else status} {'-' if sent is None else sent}"
            f' "{get("HTTP_REFERER", "-")}" "{get("HTTP_USER_AGENT", "-")}"'
        )
        # A quote that the client has sent is escaped; there are few.
        return text if text.count('"') == _USUAL_QUOTES else line(lines, resp, req, environ, took)

    return usual
