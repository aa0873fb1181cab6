"""For tests that say nothing where the extension in C is not built."""

from __future__ import annotations

import os

import pytest

from hotswap.engine.native import choice


def needs_c() -> None:
    """Skip the test where there is no extension; fail in CI, where there is a compiler."""
    why = choice.why_python({})
    if why:
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
