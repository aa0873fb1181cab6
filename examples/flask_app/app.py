"""A small Flask application, served by hotswap: change it, then `kill -HUP` the process that the log names.

Start it with `python app.py`, and open http://127.0.0.1:4242/.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator

from flask import Flask, Response, abort, render_template, request

import hotswap

VERSION = "1"

SLOWEST = 60.0
DOWNLOAD_LINES = 100_000

app = Flask(__name__)


@app.context_processor
def who_answers() -> dict[str, object]:
    """What every page shows: the version, the generation and the process that answered."""
    return {"version": VERSION, "generation": hotswap.generation, "pid": os.getpid()}


@app.after_request
def say_who_answered(response: Response) -> Response:
    """The same for clients that are no browsers."""
    response.headers["X-Version"] = VERSION
    response.headers["X-Generation"] = str(hotswap.generation)
    return response


@app.get("/")
def home() -> str:
    """The first page."""
    return render_template("home.html")


@app.get("/hello/<name>")
def hello(name: str) -> str:
    """A page that changes with its address."""
    return render_template("hello.html", name=name)


@app.get("/slow")
def slow() -> str:
    """A page that takes `?seconds=3`. Restart meanwhile: the generation that took the request answers it."""
    seconds = request.args.get("seconds", 3.0, type=float)
    if not 0 <= seconds <= SLOWEST:
        abort(400, f"between 0 and {SLOWEST:g} seconds, please")
    time.sleep(seconds)  # stands for a slow query
    return render_template("slow.html", seconds=seconds)


@app.get("/upload")
def choose_file() -> str:
    """The form."""
    return render_template("upload.html")


@app.post("/upload")
def upload() -> str:
    """Takes the form's file, or any body, and says what arrived."""
    source = request.files["file"].stream if "file" in request.files else request.stream
    digest, size = hashlib.sha256(), 0
    while piece := source.read(65536):
        digest.update(piece)
        size += len(piece)
    return render_template("upload.html", digest=digest.hexdigest(), size=size)


@app.get("/download")
def download() -> Response:
    """A file that is made while it is sent."""

    def lines() -> Iterator[str]:
        for number in range(DOWNLOAD_LINES):
            yield f"line {number} of version {VERSION}\n"

    attachment = {"Content-Disposition": "attachment; filename=lines.txt"}
    return Response(lines(), mimetype="text/plain", headers=attachment)


@app.get("/events")
def events() -> str:
    """The page that listens to /ticks."""
    return render_template("events.html")


@app.get("/ticks")
def ticks() -> Response:
    """Server-sent events, one a second.

    An answer without an end would keep an old generation alive until its `retire_timeout`. So it ends when
    this process leaves, and the browser asks again by itself: then the new version answers.
    """

    def stream() -> Iterator[str]:
        yield "retry: 200\n\n"
        number = 0
        while not hotswap.draining.wait(1.0):
            number += 1
            yield f"data: tick {number} from version {VERSION}, generation {hotswap.generation}\n\n"

    return Response(stream(), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


if __name__ == "__main__":
    hotswap.serve(app, os.environ.get("ADDRESS", "0.0.0.0:4242"))
