"""A fake server to test the harness with: logs like one, replaces itself on HUP, carelessly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

VERSION = "1"
GENERATION = int(os.environ.pop("FAKE_SERVER_GENERATION", "1"))
LISTENER = os.environ.pop("FAKE_SERVER_LISTENER", "")


class Handler(BaseHTTPRequestHandler):
    """Answers /version, and /echo/TOKEN."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers, and says which server it is."""
        body = f"{VERSION if self.path == '/version' else self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", VERSION)
        self.send_header("X-Generation", str(GENERATION))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def say(text: str) -> None:
    """A line in the log."""
    print(f"[INFO] gen={GENERATION} pid={os.getpid()} {text}", flush=True)


def serve() -> None:
    """Serves until TERM; HUP starts the next generation, which sends that TERM."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.daemon_threads = True
    if LISTENER:
        server.socket.close()
        server.socket = socket.socket(fileno=int(LISTENER))
    else:
        server.server_bind()
        server.server_activate()

    started: list[int] = []

    def successor(number: int, frame: FrameType | None) -> None:
        fd = server.fileno()
        more = {"FAKE_SERVER_LISTENER": str(fd), "FAKE_SERVER_GENERATION": str(GENERATION + 1)}
        child = subprocess.Popen([sys.executable, *sys.argv], pass_fds=[fd], env={**os.environ, **more})
        started.append(child.pid)
        say("starting a successor")

    def leave(number: int, frame: FrameType | None) -> None:
        for pid in started:
            say(f"generation {GENERATION + 1} (pid {pid}) serves: retiring")
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGHUP, successor)
    signal.signal(signal.SIGTERM, leave)
    say(f"serving at http://127.0.0.1:{server.socket.getsockname()[1]}")
    if LISTENER:
        os.kill(os.getppid(), signal.SIGTERM)
    server.serve_forever(poll_interval=0.05)
    say("stopped")


if __name__ == "__main__":
    if "--broken" in sys.argv:
        sys.exit("this program is broken")
    serve()
