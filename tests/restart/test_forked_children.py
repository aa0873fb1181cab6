"""Processes that the application forks and that outlive the server: they must not keep its port."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.eventually import eventually
from tests.harness import PLAIN, Program
from tests.restart.gates import refused

FORKS = '''
def forks(environ, rest):
    """The pid of a child that stays until it is killed."""
    child = os.fork()
    if child == 0:
        try:
            import signal
            signal.pause()
        finally:
            os._exit(0)
    yield str(child).encode()


ROUTES: dict[str, Callable[[Environ, str], Iterator[bytes]]] = {
    "forks": forks,
'''
AT_IMPORT = """import hotswap
child = os.fork()
if child == 0:
    import signal
    signal.pause()
    os._exit(0)
print(f"forked {child}.", flush=True)
"""
ROUTES = "ROUTES: dict[str, Callable[[Environ, str], Iterator[bytes]]] = {\n"
Children = list[int]


@pytest.fixture
def children() -> Iterator[Children]:
    made: Children = []
    yield made
    for child in made:
        os.kill(child, signal.SIGKILL)  # in the way: that it still lives is what was to be shown


@pytest.mark.parametrize("workers", [0, 2])
def test_a_child_that_a_request_has_forked_keeps_no_port(program: Program, children: Children, workers: int) -> None:
    """Clients are refused once the server has stopped, and do not wait for nobody."""
    program.deploy(text=PLAIN.read_text().replace(ROUTES, FORKS))
    program.start(workers=workers)
    children.append(int(program.get("/forks").body))
    assert program.stop() == 0
    os.kill(children[0], 0)
    # Not at once, perhaps: a child that has not run yet has had no time to let go.
    eventually(lambda: refused(program))


def test_nor_one_that_was_forked_while_a_successor_was_imported(program: Program, children: Children) -> None:
    """A successor has the listener from its first line on, long before serve()."""
    program.start()
    program.deploy(text=PLAIN.read_text().replace("import hotswap\n", AT_IMPORT, 1))
    first = program.pid
    program.restart()
    children.append(int(program.wait_for(r"forked (\d+)\.").group(1)))
    program.wait_gone(first)
    assert program.stop() == 0
    os.kill(children[0], 0)
    eventually(lambda: refused(program))


WAITED_FOR = """import hotswap
import sys
child = os.fork()
if child == 0:
    sys.exit(0)
os.waitpid(child, 0)
"""


def test_one_that_ends_while_a_successor_is_imported(program: Program) -> None:
    """It ends as it does in the first generation, and does not hold up the successor that waits for it."""
    program.start(text=PLAIN.read_text().replace("import hotswap\n", WAITED_FOR, 1))
    program.restart()
    program.settle()
    assert program.stop() == 0


def test_workers_go_on_to_serve(program: Program) -> None:
    """The forks of the server itself keep what they need."""
    program.start(workers=2)
    program.restart()
    program.settle()
    assert program.get("/").status == 200
    assert program.stop() == 0
