"""The handoff: what is written is what is read, by this version and by others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswap.restart.handoff import VARIABLE, Handoff, HandoffError, PassedListener

fds = st.integers(min_value=3, max_value=1023)
names = st.text(min_size=1, max_size=40)
handoffs = st.builds(
    Handoff,
    generation=st.integers(min_value=2, max_value=10**6),
    predecessor=st.integers(min_value=1, max_value=2**22),
    listeners=st.lists(st.builds(PassedListener, key=names, fd=fds, identity=st.just("")), max_size=4).map(tuple),
    exchange_send=fds,
    exchange_receive=fds,
    ready=fds,
    boot_timeout=st.floats(min_value=0, max_value=1e6),
    began=st.floats(min_value=0, max_value=1e9),
    attempt=st.integers(min_value=0, max_value=2**62),
    environment_before=st.dictionaries(names, st.none() | st.text(max_size=20), max_size=3),
    tried=st.lists(names, max_size=3).map(tuple),
    stderr_pipes=st.lists(fds, max_size=3).map(tuple),
    serves=st.dictionaries(names, st.none() | st.text(max_size=20) | st.booleans(), max_size=3),
)


@given(handoffs)
def test_what_is_passed_is_what_is_taken(handoff: Handoff) -> None:
    """A round trip through the environment changes nothing."""
    assert Handoff.from_environ(handoff.to_environ()) == handoff


def test_it_is_read_once() -> None:
    """It leaves the environment, so it cannot leak into the application or the next generation."""
    environ = {"HOME": "/", **Handoff(2, 1).to_environ()}
    assert Handoff.from_environ(environ) is not None
    assert environ == {"HOME": "/"}
    assert Handoff.from_environ(environ) is None


def test_a_newer_version_may_add_fields() -> None:
    """Unknown fields are ignored, also inside a listener: a newer predecessor can be replaced by an older successor."""
    listener = {"key": "a", "fd": 3, "identity": "", "new": 1}
    text = json.dumps({"generation": 7, "predecessor": 9, "listeners": [listener], "version": 99, "later": {}})
    handoff = Handoff.from_environ({VARIABLE: text})
    assert handoff is not None
    assert handoff.listeners == (PassedListener("a", 3),)
    assert handoff.generation == 7


WRONG = [
    '"ready": "3"',
    '"attempt": "3"',
    '"tried": [3]',
    '"stderr_pipes": ["3"]',
    '"boot_timeout": "3"',
    '"listeners": [{"key": 1, "fd": 3}]',
    '"environment_before": {"A": 1}',
    '"serves": [3]',
]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "7", '{"generation": 1}', '{"listeners": [3]}', '{"generation": "2", "predecessor": 1}'),
        *(f'{{"generation": 2, "predecessor": 1, {wrong}}}' for wrong in WRONG),
    ],
)
def test_what_cannot_be_read_is_an_error_and_is_removed(text: str) -> None:
    """Garbage is said, not guessed at, and does not stay for the next reader."""
    environ = {VARIABLE: text}
    with pytest.raises(HandoffError, match=VARIABLE):
        Handoff.from_environ(environ)
    assert environ == {}


def test_every_descriptor_is_passed_once() -> None:
    """What is not there (-1) is not passed; what is there twice is passed once."""
    handoff = Handoff(2, 1, (PassedListener("a", 3), PassedListener("b", 4)), exchange_send=5, ready=3)
    assert handoff.resources() == [5]
    assert handoff.descriptors() == [3, 4, 5]
    assert handoff._replace(stderr_pipes=(7, 4)).descriptors() == [3, 4, 5, 7]
