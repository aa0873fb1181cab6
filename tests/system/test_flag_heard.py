"""The line in which a program says that it does not know --graceful."""

from __future__ import annotations

import pytest

from hotswap.restart.refused_flag import line_with_flag


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("usage: x\nx: error: unrecognized arguments: --graceful\n", "x: error: unrecognized arguments: --graceful"),
        ("Error: No such option: --graceful Did you mean?", "Error: No such option: --graceful Did you mean?"),
        ("x: error: argument --graceful-timeout: expected one argument", "x: error: argument --graceful-timeout: exp"),
        ("graceful_timeout = 3, and --gracefully", ""),
        ("", ""),
    ],
)
def test_the_line(text: str, line: str) -> None:
    """It names the flag, also where argparse took that for the beginning of an option of the program's."""
    assert line_with_flag(text).startswith(line)
    assert bool(line_with_flag(text)) is bool(line)
