"""A Flask application that says in its SERVER_NAME where it is served."""

from __future__ import annotations

import flask

import hotswap

VERSION = "1"

app = flask.Flask("shop")
app.config["SERVER_NAME"] = "127.0.0.1:0"


@app.get("/")
def home() -> tuple[str, dict[str, str]]:
    """Which generation answers."""
    return VERSION, {"X-Generation": str(hotswap.generation)}


if __name__ == "__main__":
    hotswap.serve(app)
