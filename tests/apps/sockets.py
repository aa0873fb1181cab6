"""A Flask application with websockets, as flask-sock's documentation writes them; a deploy rewrites its constants."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_sock import Sock
from simple_websocket import Server

import hotswap

VERSION = "1"
ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}

GOING_AWAY = 1001
app = Flask(__name__)
sock = Sock(app)
called: set[Server] = set()


@app.get("/version")
def version() -> str:
    """The constant that a deploy changes."""
    return VERSION


@sock.route("/echo")
def echo(ws: Server) -> None:
    """Knows nothing of restarts: says everything again until its client closes."""
    while True:
        ws.send(ws.receive())


@sock.route("/who")
def who(ws: Server) -> None:
    """The same, and says which process says it."""
    while True:
        ws.send(f"{ws.receive()} from version {VERSION}")


@sock.route("/watching")
def watching(ws: Server) -> None:
    """Looks whether its process leaves."""
    while not hotswap.draining.is_set():
        message = ws.receive(timeout=0.05)
        if message is not None:
            ws.send(f"{message} from version {VERSION}")
    ws.close(GOING_AWAY, "restart")


@sock.route("/called")
def be_called(ws: Server) -> None:
    """Waits for its client only: a callback closes it."""
    called.add(ws)
    try:
        while True:
            ws.send(f"{ws.receive()} from version {VERSION}")
    finally:
        called.discard(ws)


@hotswap.on("retiring")
@hotswap.on("draining")
def close_all(_server: object) -> None:
    """What `called` is for."""
    for ws in list(called):
        ws.close(GOING_AWAY, "restart")


@sock.route("/goodbye")
def goodbye(ws: Server) -> None:
    """One message, and it is over."""
    ws.send(ws.receive())


@sock.route("/broken")
def broken(ws: Server) -> None:
    """A mistake in the middle of a conversation."""
    raise RuntimeError(f"asked to fail: {ws.receive()}")


if __name__ == "__main__":
    print("serve() returned", hotswap.serve(app, ADDRESS, **SETTINGS), flush=True)
