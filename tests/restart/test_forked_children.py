"""Processes that the application forks and that outlive the server: they must not keep its port."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.eventually import eventually
from tests.harness import Program
from tests.processes import descriptors
from tests.restart.gates import refused

Children = list[int]


@pytest.fixture
def children() -> Iterator[Children]:
    made: Children = []
    yield made
    for child in made:
        os.kill(child, signal.SIGKILL)  # in the way: that it still lives is what was to be shown


@pytest.mark.parametrize("workers", [0, 2])
def test_a_child_that_a_request_has_forked_keeps_no_port(program: Program, children: Children, workers: int) -> None:
    """Clients are refused once the server has stopped, and do not wait in vain."""
    program.start(workers=workers)
    children.append(int(program.get("/forks").body))
    assert program.stop() == 0
    os.kill(children[0], 0)
    # Not at once, perhaps: a child that has not run yet has had no time to let go.
    eventually(lambda: refused(program))


def test_nor_one_that_was_forked_while_a_successor_was_imported(program: Program, children: Children) -> None:
    """A successor has the listener from its first line on, long before serve()."""
    program.start()
    program.deploy(below=("forks.at", "import"))
    first = program.pid
    program.restart()
    children.append(int(program.wait_for(r"forked (\d+) here\.")[1]))
    program.wait_gone(first)
    assert program.stop() == 0
    os.kill(children[0], 0)
    eventually(lambda: refused(program))


WHERE = {
    "at the import": "import",
    "before serve() takes its listeners": "starting",
    "before it accepts": "begin",
    "when it serves": "ready",
}


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("where", WHERE)
def test_children_of_a_boot_keep_nothing_of_it(
    program: Program, children: Children, where: str, generation: int
) -> None:
    """No listener, no end of the exchange, no ready pipe."""
    forks = ("forks.at", WHERE[where])
    program.start(below=forks if generation == 1 else [])
    if generation == 2:
        first = program.pid
        program.deploy(below=forks)
        program.restart()
        program.wait_gone(first)
    child = int(program.wait_for(r"forked (\d+) here\.")[1])
    children.append(child)
    eventually(lambda: not kept(child), "it keeps something")
    assert program.get("/").status == 200
    assert program.stop() == 0
    os.kill(child, 0)
    assert refused(program)


def kept(pid: int) -> list[str]:
    """What a process has that leads to others: sockets, and pipes of which it has one end only."""
    found = list(descriptors(pid).values())
    ends = {what for what in found if found.count(what) == 1 and what.startswith("pipe:")}
    return [what for what in found if what in ends or what.startswith("socket:")]


def test_one_that_ends_while_a_successor_is_imported(program: Program) -> None:
    """It ends as it does in the first generation, and does not hold up the successor that waits for it."""
    program.start(below="forks.exits_and_is_waited_for")
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
