"""The corpus: the engine for ASGI answers as the one for WSGI, whole and in pieces, whoever reads the body."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.asgi.asgi_apps import Receive, Scope, Send, body, over_http, start
from tests.engine.asgi.asgi_server import AsgiServer
from tests.engine.asgi.conftest import LOOPS
from tests.engine.entries import Entry, entries
from tests.engine.streams import EngineParser, Seen

#: WSGI applications may take these by themselves; here the engine does, and they are no whole handshakes
#: (test_websockets.py).
WEBSOCKETS = {"a websocket's handshake", "an upgrade that is not taken, and another request"}
ENTRIES = [entry for entry in entries() if entry.name not in WEBSOCKETS]
ALL = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)

#: Refused at the byte that is wrong; the other engine waits until the line is whole. Nothing was served.
SOONER = {"the last chunk ends with a bare LF"}


class ListeningAsgi:
    """An application that keeps what it is told, and answers with nothing."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.reads_bodies = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        return await over_http(self._http)(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        data, more = b"", self.reads_bodies
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            data, more = data + message["body"], message["more_body"]
        self.seen.append(Seen(scope["method"], target_of(scope), headers_of(scope), data))
        await send(start(200, (b"Content-Length", b"0")))
        await send(body())


def target_of(scope: Scope) -> str:
    """The target's path and query."""
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    return str(scope["raw_path"] + query, "latin-1")


def headers_of(scope: Scope) -> tuple[tuple[str, str], ...]:
    """As WSGI names them."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = str(name, "ascii").upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
        text = str(value, "latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    return tuple(sorted(found.items()))


class AsgiParser(EngineParser):
    """The verdict of the engine for ASGI."""

    def __init__(self, loop: str) -> None:
        self.app: Any = ListeningAsgi()
        self.server = AsgiServer(self.app, loop=loop)
        self.server.start()


@pytest.fixture(scope="module", params=LOOPS)
def engine(live: None, request: pytest.FixtureRequest) -> Iterator[EngineParser]:
    """One on each loop."""
    parser = AsgiParser(request.param)
    yield parser
    parser.close()


@pytest.fixture(scope="module")
def for_wsgi(live: None) -> Iterator[EngineParser]:
    """The other engine."""
    parser = EngineParser()
    yield parser
    parser.close()


def path_and_query(seen: Seen) -> str:
    """Of a target as it was sent: a scope has no more of it."""
    target = seen.target.partition("#")[0].removesuffix("?")
    if "://" in target:
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    return target


@ALL
def test_the_engine_answers_as_the_corpus_says(engine: EngineParser, entry: Entry) -> None:
    """Status by status, and nothing after a refusal."""
    assert engine.verdict([entry.data]).outcome() == ("400" if entry.name in SOONER else entry.outcome)


@ALL
def test_it_sees_what_the_other_engine_sees(engine: EngineParser, for_wsgi: EngineParser, entry: Entry) -> None:
    """The same requests with the same headers and bodies."""
    ours, theirs = engine.verdict([entry.data]), for_wsgi.verdict([entry.data])
    assert [(one.method, one.body, one.headers) for one in ours.requests] == [
        (one.method, one.body, one.headers) for one in theirs.requests
    ]
    for one, other in zip(ours.requests, theirs.requests, strict=True):
        assert one.target == path_and_query(other) or one.method == "CONNECT"  # which has an authority and no path
    assert (ours.end, ours.code) == (theirs.end, theirs.code) or entry.name in SOONER


@ALL
def test_how_the_bytes_arrive_makes_no_difference(engine: EngineParser, entry: Entry) -> None:
    """One by one, or in two pieces however cut: the same is served, and what is refused is refused."""
    data, whole = entry.data, engine.verdict([entry.data])
    step = 500 if len(data) > 300 else max(1, len(data) // 20)
    ways = [engine.verdict([data[:at], data[at:]]) for at in range(step, len(data), step)]
    ways += [engine.verdict([data[at:]], first=data[:at]) for at in range(step, len(data), step)]
    if len(data) <= 300:
        ways.append(engine.verdict([data[at : at + 1] for at in range(len(data))]))
    for way in ways:
        assert way.requests == whole.requests
        assert way.end == whole.end


@ALL
def test_unread_bodies_are_skipped_alike(engine: EngineParser, entry: Entry) -> None:
    """An application that reads no body is told of the same requests, or of fewer: a faulty body ends it."""
    engine.app.reads_bodies = False
    try:
        lazy = engine.verdict([entry.data])
    finally:
        engine.app.reads_bodies = True
    heads = [(one.method, one.target) for one in engine.verdict([entry.data]).requests]
    assert [(one.method, one.target) for one in lazy.requests[: len(heads)]] == heads
    assert len(lazy.requests) <= len(heads) + 1  # the one whose body is at fault, and nothing behind it
