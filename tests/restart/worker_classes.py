"""gunicorn's worker classes by name, each with an application that it can serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.harness import PLAIN, Program

WSGI = PLAIN.read_text()
ASGI = (Path(__file__).parent.parent / "apps" / "asgi.py").read_text()
UVICORN = "uvicorn_worker.UvicornWorker"
CLASSES = ["sync", "gthread", "gevent", "asgi", UVICORN]


def text_for(worker_class: str) -> str:
    """The program that workers of this class can serve."""
    return ASGI if worker_class in ("asgi", UVICORN) else WSGI


def start(program: Program, worker_class: str, *, workers: int = 2, **settings: Any) -> Program:
    """Starts the program with workers of this class."""
    settings.setdefault("text", text_for(worker_class))
    return program.start(worker_class=worker_class, workers=workers, **settings)
