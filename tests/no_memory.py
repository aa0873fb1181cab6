"""Allocations that fail: what C does when there is no memory left."""

from __future__ import annotations

import pytest

lets_allocations_fail = pytest.mark.usefixtures("live")
"""Marks a test that does. Coverage is measured without those that are live: if an allocation of its tracer's own fails,
it records nothing more in that process, of whatever test comes next there."""


class NoMemory:
    """Within, allocations fail, from one to another, counted from 0. Skips the test where Python cannot do that."""

    def __init__(self, first: int, end: int) -> None:
        self._test = pytest.importorskip("_testcapi")
        self._range = first, end

    def __enter__(self) -> None:
        self._test.set_nomemory(*self._range)

    def __exit__(self, *raised: object) -> None:
        self._test.remove_mem_hooks()
