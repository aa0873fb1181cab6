"""A chat by websockets that goes on over a restart: change it, then `kill -HUP` the process that the log names.

Needs `pip install flask-sock`. Start it with `python chat.py`, and open http://127.0.0.1:4242/ in two windows.
"""

from __future__ import annotations

import os

from flask import Flask, render_template
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server

import hotswap

VERSION = "1"

GOING_AWAY = 1001
"""The code of a close frame that says: I am leaving, another process is here (RFC 6455, section 7.4.1)."""

app = Flask(__name__)
# A ping now and then keeps proxies from ending a silent websocket, and finds out that a client has vanished.
app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": 25}
sock = Sock(app)
talking: set[Server] = set()


@app.context_processor
def who_answers() -> dict[str, object]:
    """What the page shows: the version, the generation and the process that answered."""
    return {"version": VERSION, "generation": hotswap.generation, "pid": os.getpid()}


@app.get("/")
def page() -> str:
    """The page, whose script comes back when it is told 1001."""
    return render_template("chat.html")


@sock.route("/chat")
def chat(ws: Server) -> None:
    """Says to all what one says, until that one or this process leaves."""
    talking.add(ws)
    try:
        ws.send(f"this is version {VERSION}, generation {hotswap.generation}")
        while True:
            say(ws.receive())
    finally:
        talking.discard(ws)


def say(text: str) -> None:
    """To everybody here. Clients of the generation before are about to come back and be here too."""
    for ws in list(talking):
        try:
            ws.send(text)
        except (ConnectionClosed, OSError):
            talking.discard(ws)  # it has gone meanwhile, and its own handler will hear of it


@hotswap.on("retiring")
@hotswap.on("draining")
def send_away(_server: object) -> None:
    """This process leaves. A handler that waits for its client would keep it until `retire_timeout`."""
    for ws in list(talking):
        try:
            ws.close(GOING_AWAY, "restart")
        except (ConnectionClosed, OSError):
            pass  # it was quicker


if __name__ == "__main__":
    hotswap.serve(app, os.environ.get("ADDRESS", "0.0.0.0:4242"))
