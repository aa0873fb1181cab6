"""uvicorn's behaviours that applications rely on: the same applications below uvicorn itself, and below the engine.

A row is: what the application and the client do, what the client sees, and what the application notes. Where the engine
does otherwise, the row says why, and what uvicorn does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.engine.asgi import behaviours as b
from tests.engine.asgi import framework_behaviours as f
from tests.engine.asgi.asgi_server import AsgiServer
from tests.engine.asgi.conftest import LOOPS
from tests.engine.asgi.uvicorn_server import UvicornServer
from tests.eventually import eventually


@dataclass(frozen=True)
class Row:
    """One behaviour. `raises`: how often the application lets an exception out, which is logged."""

    app: b.NotingApp
    client: Callable[[Any, b.Notes], Any]
    sees: Any = None
    notes: list[Any] = field(default_factory=list)
    raises: int = 0
    why_not_as_uvicorn: str = ""
    uvicorn_sees: Any = None
    uvicorn_notes: Any = None


_KEPT = (500, "")
_CLOSED = (500, "close")
_WHY_KEPT = "an application's failure is no reason to close the client's connection"

ROWS = {
    # The client goes. `receive` says so; `send` says nothing; nothing is cancelled but by the application's own tasks.
    "gone while the application receives": Row(
        b.waits_for_the_disconnect, b.goes_at_once, notes=["http.request", "http.disconnect", "http.disconnect"]
    ),
    "sending to a client that has gone": Row(
        b.sends_to_nobody, b.goes_while_it_waits, notes=["http.disconnect", "nothing was raised"]
    ),
    "receiving behind the answer": Row(b.receives_behind_its_answer, b.gets, (200, b"hello"), ["http.disconnect"]),
    "gone from Starlette's endless answer": Row(
        b.streams_endlessly, b.goes_after_a_piece, b"piece", ["cancelled", "returned"]
    ),
    "gone from a stream beside which a task of anyio's listens": Row(
        b.listens_beside_a_stream, b.goes_after_a_piece, b"piece", ["http.disconnect", "out of the group"]
    ),
    "gone from Starlette's stream that has a background task": Row(
        f.streams_with_work_behind, f.waits_for_the_work, b"piece", ["works", "worked"]
    ),
    "Starlette asks whether the client has gone": Row(
        f.asks_whether_it_is_gone, f.goes_behind_its_request, notes=[False, "gone"]
    ),
    # Bodies
    "100 Continue comes when the application receives": Row(b.echoes, b.expects, (100, b"12345")),
    "and does not if it answers first": Row(b.answers_without_reading, b.expects, (200, b"hello"), ["/"]),
    "a small body that nobody reads is passed over": Row(
        b.answers_without_reading, b.posts, (b"hello", b"hello"), ["/", "/next"]
    ),
    "a large one is not": Row(
        b.answers_without_reading,
        f.posts_much,
        (b"hello", "close"),
        ["/"],
        why_not_as_uvicorn="to read what nobody wants costs more than another connection; uvicorn reads it all",
        uvicorn_sees=(b"hello", ""),
    ),
    "a body that is read": Row(b.echoes, b.posts, (b"12345", b"")),
    "a deadline around receive": Row(b.waits_in_vain, b.posts_late, 204, ["timed out", b"12345"]),
    "a deadline around send, and a client that takes nothing": Row(
        f.has_a_deadline_for_sending, f.takes_nothing, notes=["timed out"]
    ),
    # Answers
    "HEAD has the head of GET": Row(b.is_long, b.gets_head, ("1000", 200)),
    "headers come as a generator, twice the same": Row(
        b.has_cookies, b.gets_raw, [b"set-cookie: a=1", b"set-cookie: b=2"]
    ),
    "headers come as a tuple, of a list and a tuple": Row(
        f.has_lists_of_lists, b.gets_raw, [b"set-cookie: a=1", b"set-cookie: b=2"]
    ),
    "an answer that says nothing of its length": Row(
        b.says_nothing_of_its_length,
        b.gets_framing,
        (["content-length"], b"whole"),
        why_not_as_uvicorn="it is known when the head is sent",
        uvicorn_sees=(["transfer-encoding"], b"whole"),
    ),
    "the application closes": Row(b.closes, b.gets_to_the_end, (200, True)),
    "HTTP/1.0 closes": Row(b.hello, b.gets_by_http10, (b"hello", True)),
    "messages at the wrong time": Row(
        b.sends_what_it_must_not,
        b.gets,
        (200, b"hello"),
        [
            "RuntimeError: Expected ASGI message 'http.response.start', but got 'http.response.body'.",
            "RuntimeError: Unexpected ASGI message 'http.response.body' sent, after response already completed.",
            "RuntimeError: Unexpected ASGI message 'http.response.start' sent, after response already completed.",
        ],
    ),
    "a second start": Row(
        b.starts_twice,
        b.gets,
        (200, b"hello"),
        ["RuntimeError: Expected ASGI message 'http.response.body', but got 'http.response.start'."],
    ),
    "a header that is text": Row(
        b.has_a_name_of_text,
        b.gets_an_error,
        _KEPT,
        ["TypeError"],
        why_not_as_uvicorn="a start that has failed is none: the client gets an answer",
        uvicorn_sees="the connection ends",
    ),
    "more than was said": Row(
        b.is_longer_than_it_said,
        b.gets_an_error,
        _KEPT,
        ["RuntimeError: Response content longer than Content-Length"],
        1,
        why_not_as_uvicorn="the head was not sent yet",
        uvicorn_sees="the connection ends",
    ),
    "less than was said": Row(
        b.is_shorter_than_it_said,
        b.gets_an_error,
        _KEPT,
        ["RuntimeError: Response content shorter than Content-Length"],
        1,
        why_not_as_uvicorn="the head was not sent yet",
        uvicorn_sees="the connection ends",
    ),
    "pipelined requests are called one after the other": Row(
        b.takes_its_time,
        b.pipelines,
        [200, 200, 200],
        ["begins /1", "ends /1", "begins /2", "ends /2", "begins /3", "ends /3"],
    ),
    # Failures
    "an exception before the answer": Row(
        b.fails_before, b.gets_an_error, _KEPT, raises=1, why_not_as_uvicorn=_WHY_KEPT, uvicorn_sees=_CLOSED
    ),
    "an exception behind the head": Row(b.fails_behind_its_head, b.gets_no_whole_answer, b"", raises=1),
    "an exception in the body": Row(b.fails_in_its_body, b.gets_no_whole_answer, b"5\r\npiece\r\n", raises=1),
    "a call that cancels itself": Row(
        b.is_cancelled_by_itself, b.gets_an_error, _KEPT, raises=1, why_not_as_uvicorn=_WHY_KEPT, uvicorn_sees=_CLOSED
    ),
    "a call that raises CancelledError": Row(
        b.raises_cancelled, b.gets_an_error, _KEPT, raises=1, why_not_as_uvicorn=_WHY_KEPT, uvicorn_sees=_CLOSED
    ),
    "a cancellation that is caught": Row(b.swallows_a_cancellation, b.gets, (200, b"hello"), ["cancelled"]),
    "a call that another one cancels": Row(
        f.is_cancelled_by_another, f.gets_twice_at_once, (500, 200), ["waits", "cancelled", "ended"], 1
    ),
    "a call that returns without an answer": Row(
        b.returns_nothing, b.gets_an_error, _KEPT, why_not_as_uvicorn=_WHY_KEPT, uvicorn_sees=_CLOSED
    ),
    "a call that returns in the middle of its answer": Row(b.returns_in_the_middle, b.gets_no_whole_answer, b"hello"),
    # Tasks, and their contexts
    "a context variable is a request's own": Row(
        b.sets_a_variable, b.gets_twice, (b"hello", b"hello"), ["not set", "/first", "not set", "/second"]
    ),
    "and of two requests at once": Row(
        f.meets_another, f.gets_twice_at_once, (200, 200), ["waits", ("/2", "/2"), ("/1", "/1")]
    ),
    "Starlette's middleware, its endpoint, and a thread of that": Row(
        f.has_a_middleware,
        b.gets,
        (200, b"hello"),
        ["before: not set", "inside: the middleware's", "the endpoint's", "behind: the middleware's"],
    ),
    "a task of the application's has a copy": Row(f.copies_its_context, b.gets, (200, b"hello"), ["the call's"] * 3),
    "a request is a task": Row(b.has_a_task, b.gets, (200, b"hello"), [(True, True, "asyncio")]),
    "anyio's groups, deadlines and threads": Row(
        b.works_in_a_group, b.gets, (200, b"hello"), [1, "in a thread", "ExceptionGroup"]
    ),
    "a task that outlives its request": Row(b.leaves_a_task, b.waits_for_later, b"hello", ["returned", "later"]),
    "Starlette's background task": Row(
        b.works_behind_its_answer, b.gets_while_it_works, (b"hello", b"hello"), ["works", "worked"]
    ),
    "the lifespan's state": Row(
        b.changes_its_state, b.gets_twice, (b"hello", b"hello"), [(["shared"], 0), (["shared"], 1)]
    ),
}


@pytest.fixture(params=["uvicorn", *LOOPS])
def below(live: None, request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Any]]:
    """Starts a server of that kind."""
    made: list[Any] = []

    def start(app: Any) -> Any:
        kind = request.param
        made.append(UvicornServer(app) if kind == "uvicorn" else AsgiServer(app, loop=kind))
        return made[-1].start()

    yield start
    for one in made:
        one.end()


@pytest.mark.parametrize("what", ROWS)
def test_the_same_as_uvicorn(below: Callable[[Any], Any], what: str) -> None:
    """Or not, and then the row says why."""
    row, notes = ROWS[what], b.Notes()
    server = below(b.noting(row.app, notes))
    deviates = isinstance(server, UvicornServer) and row.why_not_as_uvicorn
    if isinstance(server, AsgiServer):
        server.expected_exceptions = row.raises
    try:
        sees = row.client(server.connect(), notes)
    except EOFError:
        sees = "the connection ends"
    expected = row.notes if not deviates or row.uvicorn_notes is None else row.uvicorn_notes
    eventually(lambda: len(notes.all) >= len(expected), f"{notes.all} were noted")
    notes.wait_quiet()
    assert (sees, notes.all) == (row.uvicorn_sees if deviates else row.sees, expected)
