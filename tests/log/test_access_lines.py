"""Lines of the access log are gunicorn's, to the byte, and gunicorn writes them itself where anybody could tell."""

from __future__ import annotations

import gc
import io
import logging
import resource
import sys
from collections import OrderedDict, UserDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from hypothesis import given
from hypothesis import strategies as st

from hotswap.engine.native.choice import WHY_PYTHON
from hotswap.log.access_lines import AccessLines
from hotswap.log.patient_handler import PatientHandler
from hotswap.log.record_fields import add_fields
from tests.no_memory import NoMemory, lets_allocations_fail

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "RAW_URI": '/a"b?c=d',
    "PATH_INFO": "/a",
    "QUERY_STRING": "c=d",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_USER_AGENT": 'says "hello"',
}
TOOK = timedelta(seconds=61, microseconds=1234)
#: What clients can send: bytes, as WSGI has them in a str.
_SENT = st.text(max_size=9).map(lambda text: text.encode("utf-8", "replace").decode("latin-1"))
VARIABLES = st.dictionaries(st.sampled_from([*ENVIRON, "HTTP_REFERER", "HTTP_AUTHORIZATION"]), _SENT)
ALL = " ".join(f"%({name})s" for name in "hlutrsmUqHbBfaTDMLpxZ")
ALL += " %({Host}i)s %({x-one}O)s %({path_info}e)s %({no}i)s"


USUAL: str = Config().access_log_format


class Text(str):
    """A str of an application's own."""

    __slots__ = ()


class Variables(UserDict[str, Any]):
    """An environ that is no dict."""


class Asked:
    """A logger of gunicorn's with one file, and what it has written."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        cfg = Config()
        cfg.set("accesslog", str(path))
        cfg.set("access_log_format", text)
        self.gunicorn: Any = Logger(cfg)
        self.gunicorn.now = lambda: "[now]"
        handlers = self.gunicorn.access_log.handlers
        handlers[:] = [each for each in handlers if hasattr(each, "_gunicorn")]  # pytest listens to every logger
        add_fields(1, handlers)
        self.lines = AccessLines(self.gunicorn)
        (self.handler,) = self.gunicorn.access_log.handlers
        self.patch: pytest.MonkeyPatch

    def written(self, access: Callable[..., object], *arguments: Any) -> str:
        """What is new in the file."""
        before = self.path.stat().st_size
        access(*arguments)
        return self.path.read_bytes()[before:].decode()

    def both(self, *arguments: Any) -> tuple[str, str]:
        """What gunicorn writes, and what is written here."""
        return self.written(self.gunicorn.access, *arguments), self.written(self.lines.access, *arguments)


def request(**changes: Any) -> tuple[Any, ...]:
    """The arguments for a request; a variable that is None is not there."""
    environ = {name: value for name, value in {**ENVIRON, **changes}.items() if value is not None}
    answer = SimpleNamespace(status="200 OK", sent=5, headers=[("X-One", "1"), ("x-one", '"2"')])
    return answer, SimpleNamespace(headers=[("HOST", "here"), ("host", "there")]), environ, TOOK


def plain(**changes: Any) -> tuple[Any, ...]:
    """The same for one whose usual line C makes: no quote in it."""
    return request(**{"RAW_URI": "/a", "HTTP_USER_AGENT": "curl", **changes})


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Callable[[str], Asked]]:
    """Makes loggers; gunicorn's are of the whole process."""
    made: list[Asked] = []

    def make(text: str = ALL) -> Asked:
        made.append(Asked(tmp_path / f"{len(made)}.log", text))
        return made[-1]

    yield make
    log = logging.getLogger("gunicorn.access")
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    log.filters.clear()
    log.propagate = log.disabled = False
    logging.disable(logging.NOTSET)
    logging.setLogRecordFactory(logging.LogRecord)


@pytest.mark.parametrize(
    "text",
    [
        ALL,
        USUAL,
        "%(m)10s|%(B)05d|%(D)d|%(s)-6s|100%%|%(L).3s",
        "%({HOST}i)s %({X-ONE}o)s %({HTTP_USER_AGENT}e)s %({not closed)s",
        "no conversion",
    ],
)
def test_every_atom(asked: Callable[[str], Asked], text: str) -> None:
    theirs, ours = asked(text).both(*request(HTTP_AUTHORIZATION="Basic dXNlcjpzZWNyZXQ="))
    assert ours == theirs
    assert ours


@pytest.mark.parametrize("form", [ALL, USUAL])
@given(VARIABLES)
def test_every_text(tmp_path_factory: pytest.TempPathFactory, form: str, changes: dict[str, str]) -> None:
    """What a client may have sent, and an application may have made of it."""
    asked = Asked(tmp_path_factory.mktemp("log") / "log", form)
    theirs, ours = asked.both(*plain(**changes))
    assert ours == theirs


@pytest.mark.parametrize("form", [ALL, USUAL])
@pytest.mark.parametrize(
    "changes",
    [
        {"REMOTE_ADDR": 7}, {"HTTP_REFERER": b"bytes"}, {"HTTP_AUTHORIZATION": "Digest x"}, {"PATH_INFO": None},
        {"HTTP_AUTHORIZATION": ""}, {"REMOTE_ADDR": None}, {"HTTP_USER_AGENT": None}, {"RAW_URI": Text("/of a kind")},
    ],
)  # fmt: skip
def test_what_no_client_can_send(asked: Callable[[str], Asked], form: str, changes: dict[str, Any]) -> None:
    theirs, ours = asked(form).both(*plain(**changes))
    assert ours == theirs


@pytest.mark.parametrize("status", ["200", "200 OK", " 200 OK", "2000 OK", "404\tgone", "20x", "é", 'a"b', 404, 404.5])
@pytest.mark.parametrize("sent", [0, 7, 2**62, 2**70, -1, True, None])
def test_every_answer_in_the_usual_line(asked: Callable[[str], Asked], status: Any, sent: Any) -> None:
    answer, *rest = plain()
    answer.status, answer.sent = status, sent
    theirs, ours = asked(USUAL).both(answer, *rest)
    assert ours == theirs
    assert ours


def test_an_environ_may_be_any_mapping(asked: Callable[[str], Asked]) -> None:
    answer, req, environ, took = plain()
    one = asked(USUAL)
    for kind in (Variables, OrderedDict):
        theirs, ours = one.both(answer, req, kind(environ), took)
        assert ours == theirs
        assert "127.0.0.1" in ours


def test_a_stream_of_another_encoding(asked: Callable[[str], Asked]) -> None:
    one = asked(USUAL)
    for encoding in ("latin-1", "utf-16"):
        one.handler.stream.reconfigure(encoding=encoding)
        before = one.path.stat().st_size
        one.lines.access(*request(RAW_URI="/é"))
        assert "GET /é HTTP/1.1" in one.path.read_bytes()[before:].decode(encoding)


def test_other_shapes_of_answers_and_requests(asked: Callable[[str], Asked]) -> None:
    """A number for the status, dictionaries of headers, no body."""
    _, _, environ, took = request()
    answer = SimpleNamespace(status=404, sent=None, headers={"X-One": "1"})
    theirs, ours = asked(ALL).both(answer, {"Host": "here"}, environ, took)
    assert ours == theirs


def test_an_environ_without_its_method_fails_as_ever(asked: Callable[[str], Asked]) -> None:
    with pytest.raises(KeyError, match="REQUEST_METHOD"):
        asked(ALL).lines.access(*request(REQUEST_METHOD=None))


def test_the_time_is_asked_for_once_a_second(asked: Callable[[str], Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.2, 100.9, 101.0, 99.5])
    monkeypatch.setattr("hotswap.log.access_lines.time", lambda: next(times))
    one = asked("%(t)s")
    said = iter(["first", "second", "set back"])
    one.gunicorn.now = lambda: next(said)
    assert [one.lines.now() for _ in range(4)] == ["first", "first", "second", "set back"]


class Record(logging.LogRecord):
    """One of the program's."""


def _filters_on_the_logger(one: Asked) -> None:
    one.gunicorn.access_log.addFilter(lambda _record: True)


def _filters_on_the_handler(one: Asked) -> None:
    one.handler.addFilter(lambda _record: True)


def _a_format(one: Asked) -> None:
    one.handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))


def _a_formatter(one: Asked) -> None:
    class Other(logging.Formatter):
        """May do anything."""

    one.handler.setFormatter(Other("%(message)s"))


def _a_second_handler(one: Asked) -> None:
    one.gunicorn.access_log.addHandler(logging.NullHandler())


def _another_kind_of_handler(one: Asked) -> None:
    class Other(logging.FileHandler):
        """May do anything."""

    one.gunicorn.access_log.handlers[:] = [other := Other(str(one.path))]
    other.setFormatter(one.handler.formatter)


def _a_level(one: Asked) -> None:
    one.handler.setLevel(logging.WARNING)


def _a_disabled_log(_one: Asked) -> None:
    logging.disable(logging.INFO)


def _a_disabled_logger(one: Asked) -> None:
    one.gunicorn.access_log.disabled = True


def _propagation(one: Asked) -> None:
    one.gunicorn.access_log.propagate = True


def _a_record_factory(_one: Asked) -> None:
    logging.setLogRecordFactory(Record)


def _no_lock(one: Asked) -> None:
    one.handler.lock = None


def _an_observer(one: Asked) -> None:
    """As Sentry's integration of logging does it, for every logger."""
    original = logging.Logger.callHandlers

    def observed(self: logging.Logger, record: logging.LogRecord) -> None:
        original(self, record)

    one.patch.setattr(logging.Logger, "callHandlers", observed)


def _a_log_that_is_off(one: Asked) -> None:
    one.gunicorn._access_log_enabled = False


@pytest.mark.parametrize(
    "changed",
    [
        _filters_on_the_logger, _filters_on_the_handler, _a_format, _a_formatter, _a_second_handler,
        _another_kind_of_handler, _a_level, _a_disabled_log, _a_disabled_logger, _propagation, _a_record_factory,
        _a_log_that_is_off, _no_lock, _an_observer,
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", [ALL, USUAL])
def test_where_anybody_could_tell_gunicorn_does_it(
    asked: Callable[[str], Asked], monkeypatch: pytest.MonkeyPatch, form: str, changed: Callable[[Asked], None]
) -> None:
    """At once, whenever the program changes it."""
    one = asked(form)
    one.patch = monkeypatch
    by_gunicorn: list[Any] = []
    access = one.gunicorn.access

    def access_by_gunicorn(*arguments: Any) -> None:
        by_gunicorn.append(arguments)
        access(*arguments)

    monkeypatch.setattr(one.gunicorn, "access", access_by_gunicorn)
    first = one.written(one.lines.access, *plain())
    assert first
    assert not by_gunicorn
    changed(one)
    theirs, ours = one.both(*plain())
    assert ours == theirs
    assert len(by_gunicorn) == 2


def test_records_are_observed_from_the_start(asked: Callable[[str], Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that sets Sentry up does so before the log is opened."""
    seen: list[str] = []
    original = logging.Logger.callHandlers

    def observed(self: logging.Logger, record: logging.LogRecord) -> None:
        seen.append(record.getMessage())
        original(self, record)

    monkeypatch.setattr(logging.Logger, "callHandlers", observed)
    one = asked(USUAL)
    assert one.written(one.lines.access, *plain()) == seen[0] + "\n"


def test_what_asgi_gives_is_a_usual_line_without_gunicorn(
    asked: Callable[[str], Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number for the status, and an environ that is no dict."""
    one = asked(USUAL)
    answer, req, environ, took = plain()
    answer.status = 200
    arguments = answer, req, Variables(environ), took
    theirs, ours = one.both(*arguments)
    assert ours == theirs
    monkeypatch.setattr(one.gunicorn, "access", None)
    assert one.written(one.lines.access, *arguments) == theirs


def test_a_logger_class_that_does_otherwise_is_left_alone(tmp_path: Path, asked: Callable[[str], Asked]) -> None:
    class Other(Logger):  # type: ignore[misc]
        """A user's."""

        def atoms(self, *arguments: Any) -> Any:
            return {**super().atoms(*arguments), "h": "hidden"}

    one = asked(ALL).gunicorn
    assert AccessLines.can_stand_for(one)
    assert not AccessLines.can_stand_for(Other(one.cfg))
    one.cfg.set("access_log_format", "%(h)*d")
    assert not AccessLines.can_stand_for(one)


def test_a_stream_and_a_pipe(asked: Callable[[str], Asked]) -> None:
    """What the application has printed there goes before."""
    one = asked("%(m)s")
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    for kind in (logging.StreamHandler, PatientHandler):
        handler = kind(stream)
        handler.setFormatter(one.handler.formatter)
        one.gunicorn.access_log.handlers[:] = [handler]
        stream.write("printed ")
        one.lines.access(*request())
    assert stream.buffer.getvalue() == b"printed GET\nprinted GET\n"


def test_a_line_that_cannot_be_written_ends_no_request(
    asked: Callable[[str], Asked], capsys: pytest.CaptureFixture[str]
) -> None:
    one = asked("%(m)s")
    stream, one.handler.stream = one.handler.stream, io.StringIO()
    stream.close()
    one.handler.stream.close()
    one.lines.access(*request())
    said = capsys.readouterr().err
    assert "--- Logging error ---" in said
    assert "I/O operation on closed file" in said
    assert one.handler.lock.acquire(blocking=False)
    one.handler.lock.release()


@pytest.mark.parametrize("form", [USUAL, "%(r)s"])
def test_a_line_of_which_the_disk_takes_a_part(
    asked: Callable[[str], Asked], capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """The rest is tried once more, and what is wrong then is told."""
    one = asked(form)
    line = one.written(one.lines.access, *plain())
    with largest_file(2 * len(line) - 4):
        assert one.written(one.lines.access, *plain()) == line[:-4]
        said = capsys.readouterr().err
        assert "File too large" in said
        assert one.written(one.lines.access, *plain()) == ""
        assert "File too large" in capsys.readouterr().err
    assert one.written(one.lines.access, *plain()) == line


@pytest.mark.parametrize("form", [USUAL, "%(r)s"])
def test_a_part_of_a_line_is_not_followed_by_all_of_it(
    asked: Callable[[str], Asked], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Even if there is nowhere to tell what was wrong, and room again."""
    one = asked(form)
    line = one.written(one.lines.access, *plain())
    with largest_file(2 * len(line) - 4) as lift:

        def fails(_record: logging.LogRecord) -> None:
            lift()
            raise ValueError("standard error is closed")

        monkeypatch.setattr(one.handler, "handleError", fails)
        with pytest.raises(ValueError, match="standard error is closed"):
            one.lines.access(*plain())
    assert one.path.read_text() == line + line[:-4]
    assert one.handler.lock.acquire(blocking=False)
    one.handler.lock.release()


@contextmanager
def largest_file(size: int) -> Iterator[Callable[[], None]]:
    """Within, no file that is written to gets larger, until what is given is called. Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def lift() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield lift
    finally:
        lift()


@pytest.mark.parametrize("break_it", [
    lambda one: delattr(one.handler.formatter, "_fmt"),
    lambda one: setattr(one.handler, "terminator", b"bytes"),
    lambda one: setattr(one.handler, "terminator", "\r\né"),
    lambda one: setattr(one.gunicorn, "_access_log_enabled", 0),
])  # fmt: skip
def test_what_is_not_as_it_is_known(asked: Callable[[str], Asked], break_it: Callable[[Asked], None]) -> None:
    """Python finds out what it means: nothing is written twice, nothing in part."""
    results = []
    for form in (USUAL, USUAL + "%%"):  # the second is never made in C
        one = asked(form)
        one.lines.access(*plain())
        break_it(one)
        before = one.path.stat().st_size
        try:
            one.lines.access(*plain())
        except AttributeError as error:
            results.append(str(error))
        else:
            results.append(one.path.read_bytes()[before:].decode().replace("%", ""))
    assert results[0] == results[1]


def test_the_file_is_another_after_rotation(asked: Callable[[str], Asked]) -> None:
    one = asked(USUAL)
    assert one.written(one.lines.access, *plain())
    one.path.rename(one.path.with_suffix(".1"))
    one.gunicorn.reopen_files()
    assert one.path.read_text() == ""
    assert one.written(one.lines.access, *plain())


needs_c = pytest.mark.skipif(bool(WHY_PYTHON), reason="this run is on Python alone")


@needs_c
def test_usual_lines_in_a_file_are_made_in_c(asked: Callable[[str], Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    """Or nothing here has to do with it."""
    one = asked(USUAL)
    line = one.written(one.lines.access, *plain())
    monkeypatch.setattr(one.lines, "_line", None)
    assert one.written(one.lines.access, *plain()) == line


@needs_c
def test_lines_made_in_c_keep_no_memory(asked: Callable[[str], Asked]) -> None:
    one = asked(USUAL)
    asked_for = [plain(), request(RAW_URI="/é")]
    shared = (None, one.handler, one.handler.lock, one.handler.stream, one.handler.formatter, "REMOTE_ADDR", "200 OK")

    def ask(times: int) -> None:
        for _ in range(times):
            for each in asked_for:
                one.lines.access(*each)

    ask(100)
    gc.collect()
    before, references = sys.getallocatedblocks(), [sys.getrefcount(each) for each in shared]
    ask(2000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 1000
    for each, then in zip(shared, references, strict=True):
        assert abs(sys.getrefcount(each) - then) < 1000, each


@needs_c
@lets_allocations_fail
def test_there_is_no_memory_for_a_line(asked: Callable[[str], Asked]) -> None:
    """Whichever allocation fails: the line is written by Python, or not at all, and the lock is free."""
    one = asked(USUAL)
    line = one.written(one.lines.access, *plain())
    append = one.lines._append_in_c
    arguments = plain()
    seen = set()
    for start in range(30):
        before = one.path.stat().st_size
        answer, _, environ, _ = arguments
        with NoMemory(start, start + 1):
            done = append(answer, environ)
        assert one.path.read_bytes()[before:].decode() == (line if done else "")
        assert one.handler.lock.acquire(blocking=False)
        one.handler.lock.release()
        seen.add(done)
    assert seen == {True, False}
