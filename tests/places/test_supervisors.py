"""Behind a supervisor the pid that it has started stays: it signals it, waits for it, and starts no second server."""

from __future__ import annotations

import os
import re
import signal
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.eventually import eventually
from tests.harness import Program
from tests.places.lives import WAYS, live, running
from tests.places.supervisors import SUPERVISORS, command, procfile, tell
from tests.processes import ProcessTree

MARKS = {"runit": pytest.mark.needs("runsv", "runit"), "s6": pytest.mark.needs("s6-supervise", "s6")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, [])) for name in SUPERVISORS])
def test_told_by_its_supervisor(program: Program, process_tree: ProcessTree, name: str, way: str) -> None:
    """Restarts and a stop by the supervisor's own commands; the supervisor waits until the server has stopped."""
    supervisor = SUPERVISORS[name]
    supervisor.write(program, WAYS[way](program))
    program.start(command=supervisor.start)
    with ThreadPoolExecutor(1) as operator:

        def stop() -> Future[None]:
            return operator.submit(tell, program, supervisor.stop)

        live(program, lambda: tell(program, supervisor.hup), stop).result()
    # Its command for a stop may leave a child behind, for a moment: s6-svc does.
    eventually(lambda: running(process_tree) == [program.pid], "not only the supervisor runs")
    program.send(signal.SIGTERM, program.pid)
    program.wait_status()
    assert running(process_tree) == []


@pytest.mark.parametrize("way", WAYS)
def test_honcho(program: Program, process_tree: ProcessTree, way: str) -> None:
    """It has no command for a service: HUP goes to the pid, a stop is the end of honcho and all that it has started."""
    procfile(program, WAYS[way](program))
    program.start(command=command("honcho", "start"))
    found = re.search(r"(?:starter|gen=1) pid=(\d+)", program.text())
    assert found
    pid = int(found[1])
    live(program, lambda: os.kill(pid, signal.SIGHUP), lambda: program.send(signal.SIGTERM, program.pid))
    program.wait_status()
    assert running(process_tree) == []
