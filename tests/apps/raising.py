"""A Flask application that raises."""

from __future__ import annotations

from typing import Any

import flask

import hotswap

ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}
app = flask.Flask(__name__)


@app.get("/")
def home() -> str:
    """What the debugger shows."""
    raise RuntimeError("shown in the browser")


if __name__ == "__main__":
    hotswap.serve(app, ADDRESS, **SETTINGS)
