"""A successor with fewer free descriptors than its predecessor has connections."""

from __future__ import annotations

import json
import resource
import select
import signal

from tests.asking import connect, read_answer, request
from tests.harness import Program
from tests.processes import descendants
from tests.restart.clusters import wait_workers

LIMIT = 256
LIMITED = ["sh", "-c", f'ulimit -n {LIMIT}; exec "$0" "$1"']
RESERVE = 32  # descriptors that connections from the exchange leave free


def test_who_does_not_fit_waits(program: Program) -> None:
    """A few fit at a time, the others as soon as these leave; it is said once, and no connection is lost."""
    program.start(command=[*LIMITED, program.python, str(program.script)])
    room_for_five = LIMIT - RESERVE - 5 - len(json.loads(program.get("/fds").body))
    clients = [connect(program.address) for _ in range(128)]
    for client in clients:
        client.sendall(request("/echo/x"))
        assert read_answer(client).status == 200
    program.deploy(below=("faults.keeps_descriptors", room_for_five))
    program.restart()
    for client in clients:
        client.sendall(request("/echo/x"))
    while clients:
        answered = select.select(clients, [], [], 10)[0]
        assert answered, f"{len(clients)} clients wait for ever"
        for client in answered:
            assert read_answer(client).headers["x-generation"] == "2"
            client.close()
            clients.remove(client)
    assert program.text().count("connections wait in the exchange: only") == 1
    program.wait_gone(program.pid)


def test_a_worker_that_cannot_be_watched_is_not_left_running(program: Program) -> None:
    """It is forked, there is no descriptor for its pidfd: it is ended, and the next one is forked in its place."""
    program.start(pre_fork="tests.apps.hooks.no_descriptors_for_the_second", workers=1)
    wait_workers(program, 1)
    program.send(signal.SIGTTIN)
    program.wait_for("cannot fork worker 2")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (hard, hard))
    wait_workers(program, 2)
    assert len(descendants(program.pid)) == 2
