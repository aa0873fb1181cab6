"""The corpus once more, without sockets: what the engine answers over the wire is what its parser says."""

from __future__ import annotations

import pytest

from tests.engine.entries import Entry, entries
from tests.engine.http1.parsing import Parser

PARSER = Parser()


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_the_parser_says_what_the_corpus_says(entry: Entry) -> None:
    """Status by status; cut after each byte, it serves no request that the whole does not have."""
    whole = PARSER.verdict(entry.data)
    assert whole.outcome() == entry.outcome
    if len(entry.data) < 300:
        for end in range(len(entry.data)):
            begun = PARSER.verdict(entry.data[:end]).requests
            assert begun == whole.requests[: len(begun)]
