"""The corpus: the engine answers as it says, whole and in pieces; where other parsers differ, there is a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.engine.entries import Entry, entries
from tests.engine.explained import CLOSES, EARLIER, KEEPS, LATER, STRICTER, explain
from tests.engine.streams import EngineParser, gunicorn_verdict, llhttp_verdict

CORPUS = entries()
ALL = pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.name)

#: Reason -> the entries over which gunicorn's Python parser differs.
GUNICORN = {
    STRICTER["no Host header"]: {"no Host"},
    STRICTER["is not a host"]: {
        "a list of Hosts", "path in Host", "user in Host", "a Host with a bad port", "a Host with two ports",
        "a Host with a fragment", "a Host with a blank", "an obs-text Host",
    },
    STRICTER["too large to be one"]: {
        "overflowing length", "length of 23 digits", "a length of 19 digits", "a length of 2**64",
        "many zeros before the length",
    },
    EARLIER["the body is not chunked"]: {"a size that overflows 64 bits", "a size of 16 digits", "a size of 2**63"},
    EARLIER["not an HTTP request"]: {
        "a TLS hello", "two CRs at the head's end", "CR alone between lines", "NEL as a line's end",
    },
    LATER: {
        "a last line that ends with a bare LF", "no line behind the last chunk", "trailers without an end",
    },
    CLOSES: {"keep-alive and close, and another request"},
    KEEPS: {
        "HTTP/1.0 with keep-alive in a second line, and another request",
        "HTTP/1.0 with keep-alive in a second line, and nonsense",
    },
}  # fmt: skip

#: The same for llhttp.
LLHTTP = {
    "llhttp leaves Host to its user": GUNICORN[STRICTER["no Host header"]] | GUNICORN[STRICTER["is not a host"]] | {
        "two Hosts", "the second Host is empty", "Host in other letters twice",
    },
    "llhttp has no limits on line, fields and sizes; its user has": {
        "a request line that is too long", "a request line without an end", "too many fields",
        "a field that is too long", "an extension that is too long",
    },
    "llhttp counts zeros before a number as nothing; a number of that many digits is suspicious": {
        "many zeros before the length", "a length of 19 digits",
    },
    "the meaning of these headers is left to llhttp's user": {
        "two types", "another expectation", "conflicting schemes", "a Host as a trailer",
    },
    "llhttp takes every coding before chunked, and leaves refusing the unknown ones to its user": {
        "a coding nobody knows", "an empty element, and chunked",
    },
    "llhttp counts in 64 bits, and would wait for 2**64 bytes": {"a size of 16 digits", "a size of 2**63"},
    "RFC 9112, section 6.1: chunked in HTTP/1.0 is faulty framing; llhttp goes by the chunks": {"chunked in HTTP/1.0"},
    "llhttp forgives empty lines of any kind before a request; RFC 9112, section 2.2: CRLF": {
        "bare LF first", "a bare LF between requests", "many empty lines first",
    },
    "llhttp forgives blanks between the words of a request line": {"two spaces", "two spaces before the version"},
    "llhttp checks the characters of a target, not its form": {"asterisk", "absolute form with a bad address"},
    "llhttp understands HTTP/0.9 and 2.0 as far as a head goes": {"no version", "HTTP/2.0", "HTTP/0.9 in full"},
    "RFC 9112, section 2.3: a higher minor version is read as 1.1; llhttp knows 1.0 and 1.1": {"HTTP/1.2", "HTTP/1.9"},
    "methods are open to extension (RFC 9110, section 16.1); llhttp has a list": {
        "a method nobody knows", "a digit in the method",
    },
    "RFC 9112, section 7.1.1: blanks before a semicolon; llhttp has none of them": {"blanks before an extension"},
    "llhttp refuses at the byte; the engine waits until the line is whole, and nothing was served": {
        "the last chunk ends with a bare LF", "a last line that ends with a bare LF",
    },
    "an upgrade is the application's to take; llhttp stops at the first one that is offered": {
        "an upgrade that is not taken, and another request",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def engine(live: None) -> Iterator[EngineParser]:
    """One whose loop collects the bodies."""
    parser = EngineParser()
    yield parser
    parser.close()


@pytest.fixture(scope="module")
def streaming(live: None) -> Iterator[EngineParser]:
    """One whose threads read every body of more than 3 bytes."""
    parser = EngineParser(body_buffer=3)
    yield parser
    parser.close()


@ALL
def test_the_engine_answers_as_the_corpus_says(engine: EngineParser, entry: Entry) -> None:
    """Status by status, and nothing after a refusal."""
    assert engine.verdict([entry.data]).outcome() == entry.outcome


@ALL
def test_who_reads_the_body_makes_no_difference(engine: EngineParser, streaming: EngineParser, entry: Entry) -> None:
    """A body read by the application's thread is judged as one that the loop collects; perhaps sooner."""
    collected, streamed = engine.verdict([entry.data]), streaming.verdict([entry.data])
    expected = ("the same", LATER, EARLIER["the body is not chunked"])
    assert explain(collected, streamed) in expected, (collected, streamed)


@ALL
@pytest.mark.parametrize("which", ["engine", "streaming"])
def test_how_the_bytes_arrive_makes_no_difference(
    engine: EngineParser, streaming: EngineParser, which: str, entry: Entry
) -> None:
    """One by one, in two pieces however cut, or brought by another process: the same is served and refused.

    The code may be less exact: what cannot become an HTTP request is refused before it is known what it is.
    """
    parser = engine if which == "engine" else streaming
    data, whole = entry.data, parser.verdict([entry.data])
    if len(data) > 300:  # it is about a limit
        ways = [parser.verdict([data[:at], data[at:]]) for at in range(500, len(data), 500)]
    else:
        ways = [parser.verdict([data[:at], data[at:]]) for at in range(1, len(data))]
        ways += [parser.verdict([data[at:]], first=data[:at]) for at in range(1, len(data))]
        ways.append(parser.verdict([data[at : at + 1] for at in range(len(data))]))
    for way in ways:
        assert way.requests == whole.requests
        # A thread may be waiting for more when the bytes end, and so not come to refuse what is there.
        assert way.end == whole.end or which == "streaming"


@ALL
def test_unread_bodies_are_skipped_alike(engine: EngineParser, entry: Entry) -> None:
    """An application that reads no body is told of the same requests, or of fewer: a faulty body ends it."""
    engine.app.reads_bodies = False
    try:
        lazy = engine.verdict([entry.data])
    finally:
        engine.app.reads_bodies = True
    reading = engine.verdict([entry.data])
    heads = [(one.method, one.target) for one in reading.requests]
    assert [(one.method, one.target) for one in lazy.requests[: len(heads)]] == heads
    assert len(lazy.requests) <= len(heads) + 1  # the one whose body is at fault, and nothing behind it


@ALL
def test_gunicorn_agrees(engine: EngineParser, entry: Entry) -> None:
    """Requests, headers, bodies and verdict; where not, the table says why."""
    ours, theirs = engine.verdict([entry.data]), gunicorn_verdict([entry.data])
    why = explain(ours, theirs)
    assert why, (ours, theirs)
    assert [why] == ([reason for reason, names in GUNICORN.items() if entry.name in names] or ["the same"])


@ALL
def test_llhttp_agrees(engine: EngineParser, entry: Entry) -> None:
    """Requests, bodies and verdict; where not, the table says why."""
    differ = engine.verdict([entry.data]).bare() != llhttp_verdict([entry.data]).bare()
    reasons = [reason for reason, names in LLHTTP.items() if entry.name in names]
    assert len(reasons) == differ, reasons


@pytest.mark.parametrize("table", [GUNICORN, LLHTTP], ids=["gunicorn", "llhttp"])
def test_the_tables_name_entries_that_are_there(table: dict[str, set[str]]) -> None:
    """A reason without its case is stale."""
    known = {entry.name for entry in CORPUS}
    assert not [name for names in table.values() for name in names if name not in known]


@pytest.mark.parametrize("verdict", [gunicorn_verdict, llhttp_verdict])
def test_every_smuggling_vector_is_refused_here_first(live: None, verdict: Callable[..., object]) -> None:
    """What the engine serves, the others serve with the same framing: so nothing can hide between two of them."""
    parser = EngineParser()
    try:
        for entry in CORPUS:
            ours, theirs = parser.verdict([entry.data]).bare(), verdict([entry.data])
            served = theirs.bare().requests  # type: ignore[attr-defined]
            common = min(len(served), len(ours.requests))
            assert ours.requests[:common] == served[:common], entry.name
    finally:
        parser.close()
