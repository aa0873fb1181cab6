"""The starter's lines on standard error: it has no log of its own, and must outlive a pipe that no process reads."""

from __future__ import annotations

import contextlib
import json
import os
import time

#: "text" or "json", as the server's own log; the one process that this is has one
_format = "text"


def say(text: str) -> None:
    """Write a line; never raises."""
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode(errors="replace"))


def write_as(log_format: str) -> None:
    """From now on `log` writes "text" or "json": what the settings say, which only generations read."""
    global _format
    _format = log_format


def log(text: str) -> None:
    """Write a line that looks as those of the server's own log (hotswap.log); never raises."""
    say(_object(text, time.time()) if _format == "json" else _line(text))


def _line(text: str) -> str:
    now = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return f"[{now}] [INFO] starter pid={os.getpid()} {text}"


def _object(text: str, now: float) -> str:
    when = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03d}+00:00"
    members = {"time": when, "level": "info", "gen": None, "pid": os.getpid(), "event": "starter", "text": text}
    return json.dumps(members)
