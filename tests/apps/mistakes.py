"""Calls hotswap wrongly, as its argument says, and prints the error."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable

import hotswap


def app(environ: object, start_response: object) -> list[bytes]:
    """It is never called."""
    return []


def flask_app(server_name: str) -> object:
    """One that says where it is served."""
    import flask

    made = flask.Flask("shop")
    made.config["SERVER_NAME"] = server_name
    return made


def in_thread(call: Callable[[], object]) -> None:
    """Not on the main thread; raises what is raised there."""
    caught = []

    def run() -> None:
        try:
            call()
        except hotswap.HotswapError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    raise caught[0]


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    taken = listener.getsockname()[1]
    try:
        eval(sys.argv[1])
    except hotswap.HotswapError as error:
        print(type(error).__name__, error)
