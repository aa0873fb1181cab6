"""One record, one line: what a line of the log is made of, whatever is in it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from gunicorn.glogging import SafeAtoms

from hotswap.dev import developer_terminal
from hotswap.log.duplicates import write_once
from hotswap.log.json_lines import JsonLines
from hotswap.log.record_fields import ACCESS, ERROR, RecordFields, add_fields
from hotswap.settings import Config


def record(message: str, *args: Any, name: str = ERROR, **more: Any) -> logging.LogRecord:
    """A record as our log makes it, after the filter of generation 2."""
    made = logging.getLogger(name).makeRecord(name, logging.INFO, "f.py", 1, message, args, None, extra=more or None)
    assert RecordFields(2).filter(made)
    return made


def parsed(made: logging.LogRecord, access_log_format: str = "") -> dict[str, Any]:
    """The one line that JsonLines makes of it, read again."""
    line = JsonLines(access_log_format).format(made)
    assert line.isascii()
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_of_the_log() -> None:
    """RecordFields in members of its own, and not once more in the text."""
    found = parsed(record(f"gen=2 pid={os.getpid()} serving at %s", "http://x", event="ready"))
    assert datetime.fromisoformat(found.pop("time")).tzinfo is not None
    assert found == {"level": "info", "gen": 2, "pid": os.getpid(), "event": "ready", "text": "serving at http://x"}


@pytest.mark.parametrize("text", ['a "b" \\ c', "one\ntwo\r\n\u2028three", "é 中 \udcff \x00"])
def test_whatever_is_in_it(text: str) -> None:
    """Quotation marks, line breaks of any kind, letters of any kind, bytes that are no letters."""
    assert parsed(record("%s", text))["text"] == text


def test_a_traceback() -> None:
    """Inside the line of its error."""
    made = record("going on")
    try:
        raise ValueError("a\nb")
    except ValueError as error:
        made.exc_info = (type(error), error, error.__traceback__)
    found = parsed(made)
    assert found["text"] == "going on"
    assert found["traceback"].startswith("Traceback (most recent call last):\n")
    assert found["traceback"].endswith("ValueError: a\nb")


def test_a_record_of_the_application() -> None:
    """It may have members of the same names."""
    found = parsed(record("sold", name="shop", pid="mine"))
    assert (found["pid"], found["gen"], found["logger"], found["event"]) == ("mine", 2, "shop", "log")


ATOMS = {
    "h": "10.0.0.1", "u": "-", "r": 'GET /a?q="1" HTTP/1.1', "m": "GET", "U": "/a", "q": 'q="1"', "H": "HTTP/1.1",
    "s": "200", "b": "5", "B": 5, "f": "-", "a": 'x "y" \\"z', "D": 1_250_000,
}  # fmt: skip


def test_a_request() -> None:
    """Its parts as the client has sent them, numbers as numbers, and nothing that there is not."""
    found = parsed(record("%(h)s %(s)s", SafeAtoms(ATOMS), name=ACCESS))
    for name in ("time", "level", "gen", "pid"):
        del found[name]
    assert found == {
        "event": "access", "text": 'GET /a?q="1" HTTP/1.1', "client": "10.0.0.1", "method": "GET", "path": "/a",
        "query": 'q="1"', "protocol": "HTTP/1.1", "agent": 'x "y" \\"z', "status": 200, "bytes": 5, "seconds": 1.25,
    }  # fmt: skip


def test_a_request_in_the_format_that_the_user_has_chosen() -> None:
    """`access_log_format` says what the text is."""
    assert parsed(record("%(h)s %(s)s", SafeAtoms(ATOMS), name=ACCESS), "%(h)s %(s)s")["text"] == "10.0.0.1 200"


@pytest.fixture
def loggers() -> Iterator[tuple[logging.Logger, logging.Logger]]:
    """gunicorn's error logger and the root logger, both without handlers; put back afterwards."""
    both = (logging.getLogger(ERROR), logging.root)
    before = [(log, list(log.handlers), list(log.filters), log.propagate, log.level) for log in both]
    for log in both:
        log.handlers, log.filters, log.propagate = [], [], True
        log.setLevel(logging.INFO)
    yield both
    for log, handlers, filters, propagate, level in before:
        for handler in log.handlers:
            handler.close()
        log.handlers, log.filters, log.propagate = handlers, filters, propagate
        log.setLevel(level)


def test_no_line_twice_in_one_file(loggers: tuple[logging.Logger, logging.Logger], tmp_path: Path) -> None:
    """Both loggers write there, perhaps by the same handler; what other loggers say, and other files, as ever."""
    error, root = loggers
    one, other, shared = tmp_path / "one", tmp_path / "other", logging.FileHandler(tmp_path / "shared")
    error.handlers = [logging.FileHandler(one), shared]
    root.handlers = [logging.FileHandler(one), logging.FileHandler(other), shared]
    for _ in range(2):  # a second serve() in the same process
        write_once([*error.handlers, *root.handlers])
    error.info("ours")
    logging.getLogger("shop").info("its")
    assert one.read_text() == other.read_text() == (tmp_path / "shared").read_text() == "ours\nits\n"


def test_fields_for_every_format(loggers: tuple[logging.Logger, logging.Logger], tmp_path: Path) -> None:
    """One format with these fields serves our lines and the application's; a later serve() signs with its own."""
    error, root = loggers
    handler = logging.FileHandler(tmp_path / "log")
    handler.setFormatter(logging.Formatter("%(gen)s %(pid)s %(event)s %(message)s"))
    root.addHandler(handler)
    for generation in (1, 2):
        add_fields(generation, [handler])
    error.info("ours", extra={"event": "ready"})
    logging.getLogger("shop").info("its", extra={"gen": "own"})
    pid = os.getpid()
    assert (tmp_path / "log").read_text() == f"2 {pid} ready ours\nown {pid} log its\n"


@pytest.mark.parametrize(
    ("debug", "given", "is_terminal", "accesslog"),
    [
        (True, {}, True, "-"),
        (False, {}, True, None),
        (True, {}, False, None),
        (True, {"accesslog": "requests.log"}, True, "requests.log"),
        (True, {"logconfig_dict": {"version": 1}}, True, None),
    ],
)
def test_requests_are_shown_to_a_developer(
    monkeypatch: pytest.MonkeyPatch, debug: bool, given: dict[str, object], is_terminal: bool, accesslog: str | None
) -> None:
    """With debug=True, at a terminal, unless the settings say where requests are logged."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    cfg = Config()
    cfg.debug = debug
    for name, value in given.items():
        cfg.give(name, value, "keyword")
    developer_terminal.show_requests(cfg)
    assert cfg.accesslog == accesslog
