"""cheroot: `python -m benchmarks.launch ADDRESS APP THREADS`. Its own command lacks a setting."""

from __future__ import annotations

import sys
from importlib import import_module

from cheroot.wsgi import Server


def main() -> None:
    """Serves until it is killed."""
    address, app, threads = sys.argv[1:]
    host, _, port = address.rpartition(":")
    application = import_module(app).application
    server = Server((host, int(port)), application, numthreads=int(threads), request_queue_size=1024)
    # With 10, the default, the eleventh client needs a new connection for every request.
    server.keep_alive_conn_limit = 1024
    server.start()


if __name__ == "__main__":
    main()
