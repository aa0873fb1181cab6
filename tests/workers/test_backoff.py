"""How soon a place is filled again."""

from __future__ import annotations

from hotswap.workers.backoff import FORGIVEN_AFTER, Backoff


def test_the_first_death_costs_nothing_and_the_next_ones_more_and_more() -> None:
    """0, 0.5, 1, 2 … and at most 30 s."""
    backoff = Backoff()
    assert [backoff.died(1.0) for _ in range(10)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_long_life_is_forgiven() -> None:
    """One that has lived for a minute owes nothing to those before it."""
    backoff = Backoff()
    for _ in range(5):
        backoff.died(0.0)
    assert backoff.died(FORGIVEN_AFTER) == 0
    assert backoff.died(0.0) == 0.5


def test_very_many_deaths() -> None:
    """Days of dying make no number that is too large."""
    backoff = Backoff()
    for _ in range(5000):
        backoff.died(0.0)
    assert backoff.died(0.0) == 30
