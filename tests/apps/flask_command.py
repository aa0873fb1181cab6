"""`flask --app app serve`: click has copied sys.argv when it imports this, and parses the copy."""

from __future__ import annotations

import flask

import hotswap

app = flask.Flask(__name__)


@app.get("/")
def generation() -> str:
    """The generation that answers."""
    return str(hotswap.generation)


@app.cli.command("serve")
def serve() -> None:
    """Serve until told to stop."""
    hotswap.serve(app, "127.0.0.1:0")
