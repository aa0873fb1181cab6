"""Worker classes by name, gunicorn's and our own, each with an application that it can serve."""

from __future__ import annotations

from typing import Any

from tests.harness import Program

UVICORN = "uvicorn_worker.UvicornWorker"
ENGINE = "hotswap"
CLASSES = ["sync", "gthread", "gevent", "asgi", UVICORN]


def app_for(worker_class: str) -> str:
    """The program of tests/apps that workers of this class can serve."""
    return "asgi" if "asgi" in worker_class or "Uvicorn" in worker_class else "plain"


def start(program: Program, worker_class: str, *, workers: int = 2, app: str = "", **settings: Any) -> Program:
    """Starts the program with workers of this class."""
    return program.start(app=app or app_for(worker_class), worker_class=worker_class, workers=workers, **settings)
