"""`python -m tests.engine.slow_clients ADDRESS COUNT`: heads that never end, a byte a second on each connection.

Says `ready` when all have begun, and goes on until its standard input ends.
"""

from __future__ import annotations

import select
import sys
from itertools import cycle

from tests.crowd import Crowd

BEGINNING = b"GET / HTTP/1.1\r\nHost: a\r\nX-Padding: "


def main() -> None:
    """Never reads, and does not mind being closed."""
    address, count = sys.argv[1], int(sys.argv[2])
    with Crowd(address, count) as crowd:
        crowd.say(BEGINNING)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for sock in cycle(crowd.socks):
            try:
                sock.sendall(b"x")
            except OSError:
                pass
            if select.select([sys.stdin], [], [], 1 / count)[0]:
                return


if __name__ == "__main__":
    main()
