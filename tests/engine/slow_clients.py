"""`python -m tests.engine.slow_clients ADDRESS COUNT`: heads that never end, a byte a second on each connection.

Says `ready` when all have begun, and goes on until its standard input ends.
"""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle

from tests.harness import ROOT
from tests.many_connections import ManyConnections

BEGINNING = b"GET / HTTP/1.1\r\nHost: a\r\nX-Padding: "


@contextmanager
def slow_clients(address: str, count: int) -> Iterator[None]:
    """They are there in the `with` block, in a process of their own: our own threads would only slow us down."""
    argv = [sys.executable, "-m", "tests.engine.slow_clients", address, str(count)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(10)


def main() -> None:
    """Never reads, and does not mind being closed."""
    address, count = sys.argv[1], int(sys.argv[2])
    with ManyConnections(address, count) as clients:
        clients.send(BEGINNING)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for sock in cycle(clients.socks):
            try:
                sock.sendall(b"x")
            except OSError:
                pass
            if select.select([sys.stdin], [], [], 1 / count)[0]:
                return


if __name__ == "__main__":
    main()
