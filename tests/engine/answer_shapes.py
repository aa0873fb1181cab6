"""Ways in which an application may answer, right and wrong ones, and hypothesis' mixtures of them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from werkzeug.wsgi import ClosingIterator

from tests.engine.apps import Environ, Start


class _Text(str):
    """A str in all but its type."""


class _Bytes(bytes):
    """bytes in all but its type."""


@dataclass(frozen=True)
class Shape:
    """One answer: what start_response is told, and the way in which the blocks of the body are given."""

    status: Any
    headers: Any
    blocks: tuple[Any, ...]
    form: str

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        # A list of its own for each call: an application may change it afterwards.
        headers = list(self.headers) if isinstance(self.headers, list) else self.headers
        answer: Iterable[bytes] = FORMS[self.form](environ, start_response, self.status, headers, list(self.blocks))
        return answer


def _list(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    start(status, headers)
    return blocks


def _tuple(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    start(status, headers)
    return tuple(blocks)


def _joined(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    start(status, headers)
    return [b"".join(block for block in blocks if isinstance(block, bytes))]


def _measured(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    """As Flask: one block, its length, and an iterator that has to be closed."""
    body = b"".join(block for block in blocks if isinstance(block, bytes))
    start(status, [*headers, ("Content-Length", str(len(body)))])
    return ClosingIterator(iter([body]), lambda: environ["wsgi.errors"])


def _generator(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterator[Any]:
    start(status, headers)
    yield from blocks


def _written(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    write: Callable[[Any], object] = start(status, headers)
    for block in blocks:
        write(block)
    return []


def _written_and_given(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    write: Callable[[Any], object] = start(status, headers)
    write(b"written")
    return blocks


def _written_late(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterator[Any]:
    write: Callable[[Any], object] = start(status, headers)
    yield from blocks
    write(b"late")


def _raises(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    raise ZeroDivisionError("asked to")


def _raises_later(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    start(status, headers)
    raise SystemExit(3)


def _raises_between(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterator[Any]:
    start(status, headers)
    yield from blocks
    raise ZeroDivisionError("asked to")


def _close_raises(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    def close() -> None:
        raise ZeroDivisionError("asked to, at the end")

    start(status, headers)
    return ClosingIterator(iter(blocks), close)


def _raises_and_close_raises(
    environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]
) -> Iterable[Any]:
    def close() -> None:
        raise ZeroDivisionError("asked to, at the end")

    return ClosingIterator(_raises_between(environ, start, status, headers, blocks), close)


def _raises_and_close_raises_again(
    environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]
) -> Iterable[Any]:
    def close() -> None:
        try:
            raise KeyError("asked to, at the end")
        except KeyError:
            raise ZeroDivisionError("asked to, at the very end")  # noqa: B904  as it comes

    return ClosingIterator(_raises_between(environ, start, status, headers, blocks), close)


def _started_twice(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    start(status, headers)
    start(status, headers)
    return blocks


def _started_again(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    """As an error handler does."""
    start("200 Fine", [("X-First", "1"), ("Content-Length", "3")])
    try:
        raise ZeroDivisionError("handled")
    except ZeroDivisionError:
        start(status, headers, sys.exc_info())
    return blocks


def _started_again_late(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterator[Any]:
    start(status, headers)
    yield from blocks
    try:
        raise ZeroDivisionError("handled late")
    except ZeroDivisionError:
        start("500 Late", [], sys.exc_info())
    yield b"after"


def _by_keywords(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    start(status=status, headers=headers, exc_info=None)
    return blocks


def _never_started(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    return blocks


def _nothing(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Any:
    start(status, headers)
    return None


def _text(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Any:
    start(status, headers)
    return "text"


def _changed_later(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    """The list of headers is the application's own: what it does to it later is not sent."""
    start(status, headers)
    if isinstance(headers, list):
        headers.append(("X-Late", "1"))
    return blocks


def _hinted(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
    start(status, headers)
    return blocks


def _file(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    start(status, headers)
    content = b"".join(block for block in blocks if isinstance(block, bytes))
    wrapped: Iterable[Any] = environ["wsgi.file_wrapper"](io.BytesIO(content), 4)
    return wrapped


def _reads(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    said = environ["wsgi.input"].read()
    start(status, headers)
    return [said, *blocks]


def _grows(environ: Environ, start: Start, status: Any, headers: Any, blocks: list[Any]) -> Iterable[Any]:
    """A list that is longer by one after each look at it is not a list that may be trusted to stay."""

    class Growing(list[Any]):
        def __len__(self) -> int:
            return 1

    start(status, headers)
    return Growing(blocks)


FORMS: dict[str, Callable[..., Any]] = {
    function.__name__[1:]: function
    for function in (
        _list, _tuple, _joined, _measured, _generator, _written, _written_and_given, _written_late, _raises,
        _raises_later, _raises_between, _close_raises, _raises_and_close_raises,
        _raises_and_close_raises_again, _started_twice, _started_again,
        _started_again_late, _by_keywords, _never_started, _nothing, _text, _changed_later, _hinted, _file, _reads,
        _grows,
    )
}  # fmt: skip

STATUSES = [
    "200 OK", "200 OK", "200 OK", "201 Created", "204 No Content", "304 Not Modified", "404 Not Found", "503 Busy",
    "500 X", "103 Early", "200", "200 ", "200 \xc9t\xe9", "99 Low", "1000 High", "OK", "200 A\r\nX: y", "200 A\0", 200,
    b"200 OK", None, _Text("200 OK"), "200 \u20ac",
]  # fmt: skip
HEADERS = [
    ("Content-Type", "text/plain"), ("X", "y"), ("x", ""), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d; Path=/"),
    ("Content-Length", "5"), ("content-length", "0"), ("Content-Length", "05"), ("Content-Length", "-1"),
    ("Content-Length", ""), ("Content-Length", "99999999999999999999"), ("Content-Length", "\u0665"),
    ("Connection", "close"), ("Connection", "keep-alive"), ("Connection", "X"), ("Upgrade", "websocket"),
    ("Upgrade", "h2c"), ("Transfer-Encoding", "chunked"), ("Server", "mine"), ("Date", "today"), ("Keep-Alive", "1"),
    ("X", "\xe9t\xe9"), ("X", "a\tb"), ("X", "a\r\nY: z"), ("X", "a\nb"), ("X", "\0"), ("X", "\x7f"), ("X", "\u20ac"),
    ("X Y", "z"), ("", "z"), ("X:", "z"), ("X\r\nY", "z"), ("\xc9", "z"), ("X", 1), (1, "x"), ("X", b"y"), ("X", None),
    (_Text("X"), "y"), ("X", _Text("y")), ("X",), ("X", "y", "z"), ["X", "list"], "Xy", None,
]  # fmt: skip
BLOCKS = [
    b"a", b"hello", b"", b"x" * 300, b"y" * 70_000, "text", None, bytearray(b"array"), memoryview(b"view"),
    _Bytes(b"kind of"), 7,
]  # fmt: skip


def shapes() -> st.SearchStrategy[Shape]:
    """Most of them are right in most of their parts, or nothing but the first fault would ever be seen."""
    headers = st.lists(st.one_of(st.sampled_from(HEADERS[:8]), st.sampled_from(HEADERS)), max_size=4)
    return st.builds(
        Shape,
        st.one_of(st.sampled_from(STATUSES[:7]), st.sampled_from(STATUSES)),
        st.one_of(headers, headers, headers, headers.map(tuple), st.sampled_from([None, "ab", {"X": "y"}])),
        st.lists(st.one_of(st.sampled_from(BLOCKS[:5]), st.sampled_from(BLOCKS)), max_size=3).map(tuple),
        st.one_of(st.sampled_from(list(FORMS)[:5]), st.sampled_from(list(FORMS))),
    )
