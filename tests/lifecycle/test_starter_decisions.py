"""What the starter does when a generation has ended."""

from __future__ import annotations

import pytest

from hotswap.lifecycle.starter_decisions import FORGIVEN_AFTER, GIVES_UP_AFTER, Aftermath, Deaths, Fallen

CRASHED = Fallen(has_served=True, served_s=1.0, told_to_stop=False)
NEVER_SERVED = Fallen(has_served=False, served_s=0.0, told_to_stop=False)
TOLD = Fallen(has_served=True, served_s=1.0, told_to_stop=True)


@pytest.mark.parametrize("fallen", [CRASHED, NEVER_SERVED, TOLD])
@pytest.mark.parametrize("ever_served", [False, True])
def test_a_server_that_stops_is_not_replaced(fallen: Fallen, ever_served: bool) -> None:
    """Whatever ended it in the end."""
    assert Deaths().judge(fallen, [], stopping=True, ever_served=ever_served) is Aftermath.EXIT


def test_one_that_was_told_behind_our_back() -> None:
    """`hotswap stop` signals the generation that serves."""
    assert Deaths().judge(TOLD, ["another"], stopping=False, ever_served=True) is Aftermath.EXIT


def test_another_one_is_there() -> None:
    """It serves, boots, or takes the service back."""
    assert Deaths().judge(CRASHED, ["another"], stopping=False, ever_served=True) is Aftermath.NOTHING


def test_the_first_start_fails() -> None:
    """As without a starter."""
    assert Deaths().judge(NEVER_SERVED, [], stopping=False, ever_served=False) is Aftermath.GIVE_UP


def test_delays() -> None:
    """At once, then after 1, 2, 4 … 30 seconds."""
    deaths = Deaths()
    assert deaths.delay_s == 0
    delays = []
    for _ in range(2000):
        assert deaths.judge(CRASHED, [], stopping=False, ever_served=True) is Aftermath.REPLACE
        delays.append(deaths.delay_s)
    assert delays[:8] == [0, 1, 2, 4, 8, 16, 30, 30]
    assert delays[-1] == 30
    long_served = CRASHED._replace(served_s=FORGIVEN_AFTER)
    assert deaths.judge(long_served, [], stopping=False, ever_served=True) is Aftermath.REPLACE
    assert deaths.delay_s == 0


def test_it_gives_up() -> None:
    """After so many in a row that never served; one that did serve begins a new count."""
    deaths = Deaths()
    for fallen in [CRASHED, *[NEVER_SERVED] * (GIVES_UP_AFTER - 1), CRASHED, *[NEVER_SERVED] * (GIVES_UP_AFTER - 1)]:
        assert deaths.judge(fallen, [], stopping=False, ever_served=True) is Aftermath.REPLACE
    assert deaths.judge(NEVER_SERVED, [], stopping=False, ever_served=True) is Aftermath.GIVE_UP
