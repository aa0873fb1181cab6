"""A successor with fewer free descriptors than its predecessor has connections."""

from __future__ import annotations

import json
import select

from tests.asking import connect, read_answer, request
from tests.harness import Program
from tests.restart.gates import below

LIMIT = 256
LIMITED = ["sh", "-c", f'ulimit -n {LIMIT}; exec "$0" "$1"']
RESERVE = 32  # descriptors that connections from the exchange leave free


def test_who_does_not_fit_waits(program: Program) -> None:
    """A few fit at a time, the others as soon as these leave; it is said once, and nobody is lost."""
    program.start(command=[*LIMITED, program.python, str(program.script)], text=below(""))
    room_for_five = LIMIT - RESERVE - 5 - len(json.loads(program.get("/fds").body))
    clients = [connect(program.address) for _ in range(128)]
    for client in clients:
        client.sendall(request("/echo/x"))
        assert read_answer(client).status == 200
    program.deploy(text=below(f"kept = [os.open(os.devnull, os.O_RDONLY) for _ in range({room_for_five})]\n"))
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
