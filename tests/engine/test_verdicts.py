"""The fast way and gunicorn's Python parser say the same about every head, and tell the application the same."""

from __future__ import annotations

from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import errors
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import IterUnreader
from hypothesis import given, settings
from hypothesis import strategies as st

from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.limits import Limits
from hotswap.engine.wsgi.environ import base_environ
from hotswap.engine.wsgi.environ_reader import EnvironReader
from hotswap.settings.options import EngineOptions
from tests.engine.some_sender import SomeSender
from tests.engine.test_refusals import SMUGGLING

CFG = Config()
PYTHON = Config()
PYTHON.set("http_parser", "python")
OPTIONS = EngineOptions.from_config(CFG)
LIMITS = Limits.from_options(OPTIONS)
READER = EnvironReader(OPTIONS, LIMITS)
BASE = base_environ(("localhost", "80"), OPTIONS, multiprocess=False)


def ours(data: bytes) -> tuple[str, Any]:
    """("ok", what the application is told), ("refused", code) or ("more", None)."""
    try:
        request = READER.read(data, SomeSender(BASE))
    except Refusal as refusal:
        return "refused", str(refusal)
    if request is None:
        return "more", None
    environ = {key: value for key, value in request.environ.items() if key.startswith(("HTTP_", "CONTENT_"))}
    return "ok", (
        request.method,
        request.uri,
        request.environ["QUERY_STRING"],
        request.length,
        environ,
        request.consumed,
    )


def theirs(data: bytes) -> tuple[str, Any]:
    """The same from gunicorn alone."""
    source = IterUnreader([data])
    try:
        message = GunicornRequest(PYTHON, source, ("127.0.0.1", 1), 2)
    except (errors.NoMoreData, StopIteration):
        return "more", None
    except errors.ParseException as error:
        return "refused", str(error)
    environ: dict[str, str] = {}
    for name, value in message.headers:
        key = name.replace("-", "_")
        key = key if name in ("CONTENT-TYPE", "CONTENT-LENGTH") else "HTTP_" + key
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    if "HTTP_TRANSFER_ENCODING" in environ:
        length = -1
    else:
        length = int(environ.get("CONTENT_LENGTH", "0"))
    consumed = len(data) - len(source.take_buffered())
    return "ok", (message.method, message.uri, message.query, length, environ, consumed)


def agree(data: bytes) -> None:
    """Same verdict and same content; where we are stricter, it is one of the rules we add."""
    here, there = ours(data), theirs(data)
    if here[0] == "refused" and there[0] == "ok":
        assert any(ours in here[1] for ours in ("Host", "too large", "SCRIPT_NAME")), (here, there)
    elif here[0] == "refused" and there[0] == "more":
        assert here[1] == "this is not an HTTP request" or "CRLF" in here[1], (here, there)
    elif here[0] == "more" and there[0] == "refused":
        assert b"\r\n\r\n" not in data  # it is refused as soon as the head is whole
    elif here[0] == "refused":
        assert there[0] == "refused", (here, there)
    else:
        assert here == there


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_they_agree_on_known_tricks(data: bytes) -> None:
    """Each one, and each one cut after every byte."""
    for end in range(1, len(data) + 1):
        agree(data[:end])


METHODS = st.sampled_from([b"GET", b"POST", b"OPTIONS", b"CONNECT", b"get", b"M-SEARCH", b"X", b"G ET", b"G\tT", b""])
TARGETS = st.one_of(
    st.sampled_from(
        [b"/", b"*", b"http://a/b?c#d", b"a:80", b"//x", b"/a?b?c", b"/#", b"/%zz", b"", b"/ ", b"/[", b"http://[/"]
    ),
    st.binary(min_size=1, max_size=8).map(lambda tail: b"/" + tail),
)
VERSIONS = st.sampled_from(
    [
        b"HTTP/1.1",
        b"HTTP/1.1",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"HTTP/2.0",
        b"HTTP/1.2",
        b"HTTP/1.10",
        b"http/1.1",
        b"HTTP/1",
        b"",
        b" HTTP/1.1",
    ]
)
NAMES = st.sampled_from(
    [b"Host", b"host", b"Content-Length", b"content-length", b"Transfer-Encoding", b"Expect", b"Connection", b"Upgrade",
     b"Content-Type",
     b"X-Forwarded-Proto", b"X-Forwarded-Ssl",
     b"X_Under", b"X-A", b"x-a", b"Content_Length", b"X A", b"", b"X\xe9", b" X", b"X ",
     b"SCRIPT_NAME"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from([b"a", b"", b" a ", b"0", b"5", b"05", b"+5", b"1,1", b"9" * 20, b"chunked", b"Chunked",
                     b"gzip, chunked", b"chunked, gzip",
                     b"identity", b"xchunked", b"100-continue", b"close", b"https", b"on", b"\xe9", b"a:b", b"\t"]),
    st.binary(max_size=6),
)  # fmt: skip
ENDS = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\n ", b"\r\n\t", b"\r\r\n"])


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Heads near the border between right and wrong."""
    data = draw(st.sampled_from([b""] * 8 + [b"\r\n", b"\n", b" "]))
    data += (
        draw(METHODS)
        + draw(st.sampled_from([b" "] * 8 + [b"  ", b"\t"]))
        + draw(TARGETS)
        + b" "
        + draw(VERSIONS)
        + draw(ENDS)
    )
    if draw(st.booleans()):
        data += b"Host: a\r\n"
    for name, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=4)):
        data += name + draw(st.sampled_from([b": "] * 6 + [b":", b" :", b":  "])) + value + draw(ENDS)
    return data + draw(st.sampled_from([b"\r\n"] * 8 + [b"", b"\n", b"\r\nGET"]))


@settings(max_examples=2000, derandomize=True)
@given(heads())
def test_they_agree_on_generated_heads(data: bytes) -> None:
    """Verdict, method, target, headers, length, and where the next request begins."""
    agree(data)
