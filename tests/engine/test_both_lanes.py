"""The lane in C and its twin in Python: the same bytes to the client, the same environ, log and counters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hotswap.engine.wsgi.plain_turn import choose
from tests.engine.answer_shapes import BLOCKS, FORMS, HEADERS, STATUSES, Shape, shapes
from tests.engine.apps import Environ, Start
from tests.engine.engine_server import request
from tests.engine.entries import Entry, entries
from tests.engine.grammar import CUTS, good_requests, pieces, streams
from tests.engine.lane_pair import LanePair

pytestmark = pytest.mark.skipif(choose({}).kind is None, reason="there is no lane in C: this compares two")

#: Requests as clients make them: what a lane is for, and its neighbours.
PLAIN = [
    request("/a?b=c", "User-Agent: x", "Accept: */*", "Cookie: a=b"),
    request("/a", method="HEAD"),
    request("/%41/b%20c", method="DELETE"),
    request("/f", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 3", method="POST", body=b"a=b"),
    request("/", "Connection: close"),
    request(
        "/a", "X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.7", "Content-Length: 1", method="PUT", body=b"a"
    ),
    b"GET /ab HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /ab HTTP/1.0\r\n\r\n",
    b"POST /ab HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nab",
]
few = settings(
    max_examples=400, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Shaped:
    """An application that is what the test says at the moment."""

    def __init__(self) -> None:
        self.shape: Any = None

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        answer: Iterable[bytes] = self.shape(environ, start_response)
        return answer


def mirror(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """The body that came, and the path."""
    body = environ["wsgi.input"].read() + environ["PATH_INFO"].encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


OPTIONS: list[dict[str, Any]] = [
    {},
    {"settings": {"accesslog": "-"}},
    {"settings": {"keepalive": 0}},
    {"body_buffer": 3},
    {"line": 20, "fields": 2, "field_size": 60},
]


@pytest.fixture(scope="module", params=OPTIONS, ids=["usual", "logged", "no keep-alive", "small bodies", "limits"])
def pair(live: None, request: pytest.FixtureRequest) -> Iterator[LanePair]:
    """Two engines whose application says what it was asked."""
    found = LanePair(mirror, **request.param)
    yield found
    found.close()


@pytest.fixture(scope="module")
def shaped(live: None) -> Iterator[tuple[LanePair, Shaped]]:
    """Two engines whose application is one that the test shapes; answers are logged."""
    app = Shaped()
    pair = LanePair(app, settings={"accesslog": "-"})
    yield pair, app
    pair.close()


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_the_corpus(pair: LanePair, entry: Entry) -> None:
    """In one piece, in two, and behind a plain request."""
    half = len(entry.data) // 2
    for parts in ([entry.data], [entry.data[:half], entry.data[half:]], [PLAIN[0] + entry.data]):
        pair.told([part for part in parts if part])


def test_many_names_and_targets(pair: LanePair) -> None:
    """The lane remembers some of what it has looked up: also where more was asked for than there are places for it."""
    asked = [
        request(f"/{'x' * (number % 300)}{number}", f"X-Name-{number}: {number}", f"X-{'n' * (number % 50)}: a")
        for number in range(600)
    ]
    for each in asked * 2:
        pair.told([each])


@few
@given(data=streams(), cuts=CUTS)
def test_invented_requests(pair: LanePair, data: bytes, cuts: list[int]) -> None:
    """Right ones and spoilt ones, however they arrive."""
    pair.told(pieces(data, cuts))


@few
@given(data=st.lists(st.one_of(good_requests(), st.sampled_from(PLAIN)), min_size=1, max_size=4))
def test_one_request_a_packet(pair: LanePair, data: list[bytes]) -> None:
    """As most clients send them."""
    pair.told(data)


@pytest.mark.parametrize("data", PLAIN)
def test_what_the_lane_is_for(shaped: tuple[LanePair, Shaped], data: bytes) -> None:
    """Plain requests with the answers of frameworks are served in C from end to end: nothing else compares two."""
    pair, app = shaped
    for form in ("list", "tuple", "measured", "joined"):
        app.shape = Shape("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "a=b")], (b"hello",), form)
        pair.told([data])  # what is in it for the first time is judged in Python
        before = pair.turns_in_c
        # A path that has been slow, on a busy machine, is measured in Python: this one is new.
        assert len(pair.told([data.replace(b" /", b" /new/%d/" % before, 1)]).environs) == 1
        assert pair.turns_in_c == before + 1, form


@pytest.mark.parametrize("form", FORMS)
def test_every_form(shaped: tuple[LanePair, Shaped], form: str) -> None:
    """Of an answer, to each plain request, twice on a connection."""
    pair, app = shaped
    for data in PLAIN:
        for status in ("200 OK", "204 No Content", "304 Not Modified", "404 Not Found"):
            for blocks in ((b"hello",), (), (b"", b"a", b"", b"bc")):
                for headers in ([], [("Content-Length", "5")]):
                    app.shape = Shape(status, headers, blocks, form)
                    pair.told([data, data])


@pytest.mark.parametrize("number", range(len(STATUSES)))
def test_every_status(shaped: tuple[LanePair, Shaped], number: int) -> None:
    """Those that none may send, too."""
    pair, app = shaped
    for form in ("list", "generator", "started_again"):
        app.shape = Shape(STATUSES[number], [("X", "y")], (b"hello",), form)
        pair.told([PLAIN[0], PLAIN[0]])


@pytest.mark.parametrize("number", range(len(HEADERS)))
def test_every_header(shaped: tuple[LanePair, Shaped], number: int) -> None:
    """Alone, behind another, and before one."""
    pair, app = shaped
    for headers in ([HEADERS[number]], [("X", "y"), HEADERS[number]], [HEADERS[number], ("Content-Length", "5")]):
        for form in ("list", "generator"):
            app.shape = Shape("200 OK", headers, (b"hello",), form)
            pair.told([PLAIN[0], PLAIN[0]])


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block(shaped: tuple[LanePair, Shaped], number: int) -> None:
    """Alone, and behind another."""
    pair, app = shaped
    for blocks in ((BLOCKS[number],), (b"a", BLOCKS[number])):
        for form in ("list", "generator", "written"):
            app.shape = Shape("200 OK", [], blocks, form)
            pair.told([PLAIN[0], PLAIN[0]])


@few
@given(shape=shapes(), data=st.sampled_from(PLAIN))
@example(shape=Shape("200 OK", [("Content-Length", "0")], (b"hello",), "list"), data=PLAIN[0])
def test_invented_answers(shaped: tuple[LanePair, Shaped], shape: Shape, data: bytes) -> None:
    """Most of them wrong."""
    pair, app = shaped
    app.shape = shape
    pair.told([data, data])
