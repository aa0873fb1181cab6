"""What the fuzzer calls with its bytes. An AssertionError, any other exception, or no answer in time is a finding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gunicorn.http import errors
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.unreader import IterUnreader

from hotswap.engine.http1.body import Collector, decode_chunked
from hotswap.engine.http1.strict_reader import Trailers
from tests.engine import test_verdicts
from tests.engine.explained import explain
from tests.engine.grammar import AFTER, pieces
from tests.engine.http1.test_both_parsers import PAIR
from tests.engine.streams import EngineParser, gunicorn_verdict

Target = Callable[[bytes], Any]
_CUTS = 3  # bytes at the beginning of the input that say where it is cut


def head() -> Target:
    """The head reader alone: gunicorn's verdict, the same told to the application, and the same on either parser."""

    def target(data: bytes) -> None:
        test_verdicts.agree(data)
        PAIR.agree(data)

    return target


def body() -> Target:
    """The collector and the decoder of chunks: the same content, the same end of it, and the same refusals."""
    trailers = Trailers(test_verdicts.OPTIONS, test_verdicts.LIMITS)

    def target(data: bytes) -> None:
        cuts, data = data[:_CUTS], data[_CUTS:]
        if data:
            _same_content(data, pieces(data, list(cuts)), trailers)

    return target


def _same_content(data: bytes, parts: list[bytes], trailers: Trailers) -> None:
    source = IterUnreader(iter([data]))
    try:
        theirs = Body(ChunkedReader(trailers, source)).read()
    except (errors.ParseException, errors.NoMoreData):
        theirs = None
    rest, raw = _collect(parts)
    if rest is None:
        # Cut, or refused before it is whole.
        assert theirs is None, (data, theirs)
        return
    try:
        ours = decode_chunked(raw, trailers)
    except (errors.ParseException, errors.NoMoreData):
        assert theirs is None, (data, theirs)
        return
    assert (ours, rest) == (theirs, source.take_buffered()), data


def _collect(parts: list[bytes]) -> tuple[bytes | None, bytes]:
    """What lies behind the body, None if it does not end; and the body."""
    collector = Collector(-1)
    for number, part in enumerate(parts):
        rest = collector.feed(part)
        if rest is not None:
            return rest + b"".join(parts[number + 1 :]), collector.raw()
    return None, b""


def connection(**limits: Any) -> Target:
    """The whole engine on a socket pair, cut in pieces; a request is put behind, which must not be framed wrongly."""
    parser = EngineParser(**limits)

    def target(data: bytes) -> None:
        cuts, data = data[:_CUTS], data[_CUTS:] + AFTER
        parser.server.log.records.clear()
        ours, theirs = parser.verdict(pieces(data, list(cuts))), gunicorn_verdict([data])
        assert explain(ours, theirs), (data, ours, theirs)
        assert not parser.server.log.said("exception"), parser.server.log.records

    return target


TARGETS: dict[str, Callable[[], Target]] = {
    "head": head,
    "body": body,
    "connection": connection,
    "uploads": lambda: connection(body_buffer=3),
}
