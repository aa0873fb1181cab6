"""How many connections each worker has: none is crowded for long, and one that is stuck keeps no idle ones."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from hotswap.scoreboard import Scoreboard
from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import Program
from tests.restart.clusters import settle, wait_workers, workers
from tests.restart.gates import open_gate, wait_at
from tests.restart.test_load import assert_nobody_noticed
from tests.traffic import Traffic

CLIENTS = 64


def connections(program: Program) -> list[int]:
    """How many connections each worker of the serving generation says that it has."""
    with contextlib.closing(Scoreboard.of_pid(program.serving_pid)) as board:
        views = board.slots()
    mine = [view for view in views if view.role == "worker" and view.generation == program.serving_generation]
    return [view.connections for view in mine]


def accepting(program: Program) -> int:
    """How many workers poll the listener, which is descriptor 3 (proc_pid_fdinfo(5))."""
    return sum(3 in polled(pid) for pid in workers(program))


def polled(pid: int) -> set[int]:
    """The descriptors in the epolls of a process."""
    found: set[int] = set()
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):
            lines = [line.split() for line in entry.read_text().splitlines()]
            found.update(int(words[1]) for words in lines if words[:1] == ["tfd:"])
    return found


def fair(program: Program, number: int) -> bool:
    """Whether all have some, and no worker more than twice as many as another."""
    counts = connections(program)
    return len(counts) == number and sum(counts) == CLIENTS and max(counts) <= 2 * min(counts)


@pytest.mark.parametrize("kind", ["keep-alive", "idle"])
@pytest.mark.parametrize("number", [2, 4])
def test_no_worker_has_twice_the_connections_of_another(program: Program, number: int, kind: str) -> None:
    """Not for long, whichever worker accepted them; after a restart, and after workers were added and taken away."""
    program.start(workers=number)
    with Traffic(program.address, {kind: CLIENTS}, seconds=60) as traffic:
        eventually(lambda: fair(program, number), "unfair after the start")
        program.restart()
        traffic.restarted()
        eventually(lambda: fair(program, number), "unfair after a restart")
    assert_nobody_noticed(traffic.result())
    settle(program)
    assert program.stop() == 0


def test_a_worker_without_a_free_thread_keeps_nothing_idle(program: Program) -> None:
    """Its idle connections move to where they are served at once, and it accepts no more until a thread is free."""
    program.start(workers=2, threads=1)
    wait_workers(program, 2)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(program.address)) for _ in range(12)]
        busy = stack.enter_context(connect(program.address))
        for client in clients:
            client.sendall(request("/"))
            assert read_answer(client).status == 200
        busy.sendall(request("/gated/go"))
        wait_at(program, "go")
        eventually(lambda: sorted(connections(program)) == [1, 12], "the idle ones move to the worker that is free")
        eventually(lambda: accepting(program) == 1, "the worker that is busy still accepts")
        for client in [*clients, stack.enter_context(connect(program.address))]:
            client.sendall(request("/"))
            assert read_answer(client).status == 200
        open_gate(program, "go")
        assert read_answer(busy).status == 200
    assert program.stop() == 0
