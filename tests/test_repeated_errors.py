"""An error that comes back all the time is logged once in a while, and a new one at once."""

from __future__ import annotations

import pytest

from hotswap.repeated_errors import SAY_AGAIN, RepeatedErrors


class Heard:
    """A log that keeps what it is told, and a clock that goes on when a test says so."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 100.0
        self.errors = RepeatedErrors(self, lambda: self.now)

    def exception(self, msg: str, /, *args: object) -> None:
        self.lines.append(msg % args)

    def fails(self, error: Exception) -> None:
        try:
            raise error
        except (ValueError, KeyError):
            self.errors.exception("%s failed", "it")

    def fails_elsewhere(self, error: Exception) -> None:
        try:
            raise error
        except (ValueError, KeyError):
            self.errors.exception("another failed")


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_the_same_error_is_logged_once_in_a_while(heard: Heard) -> None:
    """With how often it came in between."""
    for _ in range(100):
        heard.fails(ValueError("each has a text of its own"))
    assert heard.lines == ["it failed"]
    heard.now += SAY_AGAIN
    heard.fails(ValueError())
    heard.now += SAY_AGAIN
    heard.fails(ValueError())
    assert heard.lines[1:] == ["it failed (and 99 times since this was logged last)", "it failed"]


def test_another_error_is_logged_at_once(heard: Heard) -> None:
    """One of another type, or from another line, is another one."""
    heard.fails(ValueError())
    heard.fails(KeyError())
    heard.fails_elsewhere(ValueError())
    assert heard.lines == ["it failed", "it failed", "another failed"]


def test_it_does_not_remember_errors_without_end(heard: Heard) -> None:
    """Code that is made anew each time makes new lines each time."""
    for _ in range(1000):
        try:
            exec(compile("1 / 0", "<made>", "exec"))
        except ZeroDivisionError:
            heard.errors.exception("made code failed")
    assert 1 <= len(heard.errors._seen) <= 100
