"""The child_exit hook where nothing is forked: called for a generation that has ended, by the one that serves."""

from __future__ import annotations

import re
from signal import SIGKILL
from typing import Any

from tests.eventually import eventually
from tests.harness import Program


def told(program: Program) -> list[tuple[int, int]]:
    """Pid and number of each generation that the hook was called for."""
    return [(int(pid), int(age)) for pid, age in re.findall(r"child_exit (\d+) (\d+)\n", program.text())]


def figure(program: Program, name: str) -> float | None:
    """What the application's own metrics say."""
    found = re.search(rf"^{name} (\S+)$", program.get("/metrics").body.decode(), re.MULTILINE)
    return float(found[1]) if found else None


def start(program: Program, **settings: Any) -> None:
    """Starts the application, with a directory for its figures."""
    (program.folder / "figures").mkdir()
    program.start(app="counting", environ={"PROMETHEUS_MULTIPROC_DIR": str(program.folder / "figures")}, **settings)


def test_metrics_of_the_application_over_generations(program: Program) -> None:
    """With prometheus_client's multiprocess mode counters go on, and the gauge of a generation that has ended goes."""
    start(program)
    assert "not called" not in program.text()
    for _ in range(3):
        program.get("/")
    program.restart()
    program.get("/")
    eventually(lambda: told(program) == [(program.pid, 1)], "the hook was not called")
    assert figure(program, "shop_asked_total") == 4.0
    eventually(lambda: figure(program, "shop_alive") == 1.0)


def test_one_that_was_killed_too(program: Program) -> None:
    """Under a starter, where the generation that follows has never seen the one before: each is told of once."""
    start(program, stable_pid="on")
    program.restart()
    second = program.serving_pid
    eventually(lambda: len(told(program)) == 1)
    mark = program.mark()
    program.send(SIGKILL)
    third = program.wait_for(r"gen=(\d+) pid=\d+ serving at", since=mark)
    eventually(lambda: (second, 2) in told(program), "the hook was not called")
    program.restart()
    eventually(lambda: len(told(program)) == 3)
    assert [age for _, age in told(program)] == [1, 2, int(third[1])]


def test_a_hook_that_fails(program: Program) -> None:
    """It is logged, and the next is called all the same."""
    start(program)
    program.deploy(text=program.script.read_text().replace("multiprocess.mark_process_dead(worker.pid)", "1 / 0"))
    program.restart()
    program.wait_for("the child_exit hook failed")
    program.restart()
    eventually(lambda: [age for _, age in told(program)] == [1, 2])
