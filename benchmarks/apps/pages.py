"""The same with Flask, as most applications are."""

from __future__ import annotations

from flask import Flask, Response, jsonify

from benchmarks.apps.answers import HELLO, RECORDS
from benchmarks.apps.counted import Counted

app = Flask(__name__)


@app.get("/hello")
def hello() -> str:
    """A page that costs nothing but Flask."""
    return HELLO.decode()


@app.get("/json")
def records() -> Response:
    """10 kB of JSON."""
    return jsonify(RECORDS)


application = Counted(app)
