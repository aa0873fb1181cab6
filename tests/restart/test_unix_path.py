"""The file of a unix listener, when somebody else has put a hand on it."""

from __future__ import annotations

import socket

import pytest

from tests.harness import Program


@pytest.mark.parametrize("done", ["deleted", "replaced"])
def test_it_is_told_at_the_next_restart(program: Program, done: str) -> None:
    """A restart cannot bring it back, so it says what does; the listener at another address serves as before."""
    path = program.folder / "s.sock"
    program.start(address=["127.0.0.1:0", f"unix:{path}"])
    path.unlink()
    if done == "replaced":
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    program.restart()
    program.wait_for(
        rf"WARNING\] gen=2 .*nobody can connect to unix:{path} \(its file was {done} by somebody else\): stop this"
    )
    assert program.get("/").headers["x-generation"] == "2"
    program.settle()
    assert program.stop() == 0
    # A stranger's file is left alone.
    assert path.exists() == (done == "replaced")


def test_an_untouched_one_is_no_reason_to_warn(program: Program) -> None:
    """Neither its first restart nor its second says anything of it."""
    program.start(address=f"unix:{program.folder / 's.sock'}")
    program.restart()
    program.restart()
    assert program.get("/").headers["x-generation"] == "3"
    assert "nobody can connect" not in program.text()
