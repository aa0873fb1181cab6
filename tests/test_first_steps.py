"""docs/first-steps.md, walked: its program is served and replaced, and a mistake in it changes nothing."""

from __future__ import annotations

from tests.commanding import hotswap
from tests.documented import documented
from tests.harness import Program


def test_the_page_can_be_walked(program: Program) -> None:
    """Serve it, replace it, break it, mend it, by the lines that the page shows."""
    text = documented("first-steps.md", "shop.py").replace(":5000", ":0")
    program.start(text=text)
    assert program.get("/").body == b"version 1\n"
    program.deploy(text=text.replace("version 1", "version 2"))
    done = hotswap(program, "restart")
    assert (done.returncode, program.get("/").body) == (0, b"version 2\n"), done.stderr
    program.deploy(text=text.replace("version 1", "version 3").replace("def home():", "def home(:"))
    failed = hotswap(program, "restart")
    assert failed.returncode == 1
    assert "SyntaxError" in failed.stdout + failed.stderr
    assert program.get("/").body == b"version 2\n"
    program.deploy(text=text.replace("version 1", "version 3"))
    assert hotswap(program, "restart").returncode == 0
    assert program.get("/").body == b"version 3\n"
    program.settle()
    assert program.stop() == 0
