"""The ready message as a value: what older and newer releases say is understood."""

from __future__ import annotations

import json

import pytest

from hotswap.handover.wire import VERSION
from hotswap.restart.takeover import Takeover


def test_it_survives_its_way_through_the_pipe() -> None:
    """As JSON, which has lists and no tuples."""
    said = Takeover(3, VERSION, True, ("127.0.0.1:80", "unix:/s"), "v1", False, True)
    assert Takeover.from_facts(json.loads(json.dumps(said.to_facts()))) == said


def test_what_is_not_known_is_passed_over() -> None:
    """A newer release may say more."""
    assert Takeover.from_facts({"generation": 2, "moon": "full"}) == Takeover(generation=2)


@pytest.mark.parametrize(("facts", "on_board"), [({}, False), ({"exchange": VERSION}, True), ({"exchange": 0}, False)])
def test_a_release_that_does_not_say_whether_it_shares_the_board(facts: dict[str, int], on_board: bool) -> None:
    """It received over the exchange only on a board that it shared."""
    assert Takeover.from_facts(facts).on_board is on_board


@pytest.mark.parametrize(
    ("takeover", "moves"),
    [
        (Takeover(exchange=VERSION), True),
        (Takeover(exchange=VERSION + 1), False),
        (Takeover(exchange=0), False),
        (Takeover(exchange=VERSION, tls=True), False),
        (Takeover(exchange=VERSION, proxy_protocol="v1"), False),
    ],
)
def test_connections_move_to_what_reads_them_as_we_do(takeover: Takeover, moves: bool) -> None:
    """No TLS and no PROXY header where none was."""
    assert takeover.reads_connections_of("off") is moves
