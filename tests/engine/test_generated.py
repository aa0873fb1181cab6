"""Generated streams: the engine's verdict is gunicorn's Python parser's, and no request is framed wrongly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings

from tests.engine.explained import explain
from tests.engine.grammar import AFTER, CUTS, good_requests, pieces, streams
from tests.engine.streams import EngineParser, Seen, gunicorn_verdict

AFTERWARDS = Seen("GET", "/after", (("HTTP_HOST", "a"),), b"")
few = settings(max_examples=700, derandomize=True)


@pytest.fixture(scope="module", params=[1 << 20, 3], ids=["collected", "streamed"])
def engine(live: None, request: pytest.FixtureRequest) -> Iterator[EngineParser]:
    """One whose loop collects bodies, and one whose threads read every body of more than 3 bytes."""
    parser = EngineParser(body_buffer=request.param)
    yield parser
    parser.close()


@few
@given(data=streams(), cuts=CUTS)
@example(data=AFTER * 3, cuts=[])
def test_the_verdict_is_gunicorns(engine: EngineParser, data: bytes, cuts: list[int]) -> None:
    """Of every stream, however it arrives: the same requests, headers and bodies, the same end, or a known reason."""
    ours, theirs = engine.verdict(pieces(data, cuts)), gunicorn_verdict([data])
    assert explain(ours, theirs), (ours, theirs)


@few
@given(data=good_requests(), cuts=CUTS)
def test_a_request_behind_a_good_one_is_served(engine: EngineParser, data: bytes, cuts: list[int]) -> None:
    """Whatever the body says, and whether or not the application reads it."""
    for reads in (True, False):
        engine.app.reads_bodies = reads
        verdict = engine.verdict(pieces(data + AFTER, cuts))
        # A body that is not read is thrown away if it is here, and ends the connection if it is not.
        assert verdict.end == "silence"
        assert len(verdict.requests) == 2 or not reads
        assert verdict.requests[1:] in ((AFTERWARDS,), ())


@few
@given(data=streams(), cuts=CUTS)
def test_a_body_that_nobody_reads_hides_nothing(engine: EngineParser, data: bytes, cuts: list[int]) -> None:
    """What follows an unread body is read as if it had been read, or not at all."""
    engine.app.reads_bodies = False
    ours = engine.verdict(pieces(data, cuts))
    engine.app.reads_bodies = True
    heads = [(one.method, one.target) for one in engine.verdict(pieces(data, cuts)).requests]
    served = [(one.method, one.target) for one in ours.requests]
    assert served[: len(heads)] == heads[: len(served)]
    assert len(served) <= len(heads) + 1
