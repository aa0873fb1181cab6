"""What lives beside requests: a pool of database connections, a thread that does jobs, a scheduler.

Start it with `python app.py`, or with forked workers by `WORKERS=2 python app.py`, and restart it by `kill -HUP`.
"""

from __future__ import annotations

import fcntl
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import Engine, create_engine, text

import hotswap

VERSION = "1"
ADDRESS = os.environ.get("ADDRESS", "127.0.0.1:4242")
WORKERS = int(os.environ.get("WORKERS", "0"))
DATABASE_URL = os.environ.get("DATABASE_URL", "sqlite:///app.db")
EVERY = float(os.environ.get("EVERY", "1"))

app = Flask(__name__)


class Jobs(threading.Thread):
    """Does, one after the other, what no client should wait for."""

    def __init__(self, do: Callable[[str], object]) -> None:
        super().__init__(name="jobs")
        self._do = do
        self._queue: queue.Queue[str | None] = queue.Queue()

    def put(self, job: str) -> None:
        """Have it done soon."""
        self._queue.put(job)

    def run(self) -> None:
        while (job := self._queue.get()) is not None:
            self._do(job)

    def finish(self) -> None:
        """Wait until everything is done that was put."""
        self._queue.put(None)
        self.join()


class Scheduler(threading.Thread):
    """Calls `tick(number)` every so many seconds, in one process at a time: the one that has the lock.

    A process that leaves lets go of it, and the next one continues, in whichever generation. The kernel takes it from
    one that dies. The file holds the number of the last call, so that none is made twice.
    """

    def __init__(self, path: str, every: float, tick: Callable[[int], object]) -> None:
        super().__init__(name="scheduler")
        self._every = every
        self._tick = tick
        self._over = threading.Event()
        # Opened by each process for itself: one that was open at a fork would be locked by both.
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def run(self) -> None:
        while not self._over.is_set():
            if hotswap.draining.is_set():
                fcntl.flock(self._fd, fcntl.LOCK_UN)
                # Not the end of it: should the new version be lost, this one serves again.
                self._over.wait(self._every)
            else:
                if self._is_ours():
                    self._call_if_due()
                hotswap.draining.wait(self._every / 4)

    def _is_ours(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _call_if_due(self) -> None:
        number = int(time.time() / self._every)
        if number > int(os.pread(self._fd, 20, 0) or b"0"):
            # Before the call: one that is cut short is not made again.
            os.pwrite(self._fd, b"%020d" % number, 0)
            self._tick(number)

    def stop(self) -> None:
        """Wait until a call that is under way has ended."""
        self._over.set()
        self.join()
        os.close(self._fd)


class Background:
    """All three, in each process that answers requests."""

    pool: Engine
    jobs: Jobs
    scheduler: Scheduler

    def start(self, worker: Any) -> None:
        """gunicorn's post_worker_init: after the fork, for connections and threads belong to one process."""
        self.pool = create_engine(DATABASE_URL)
        self.jobs = Jobs(self.work)
        self.jobs.start()
        self.scheduler = Scheduler("scheduler.lock", EVERY, self.tick)
        self.scheduler.start()

    def stop(self, arbiter: Any, worker: Any) -> None:
        """gunicorn's worker_exit: the last request has been answered. The pool goes last, because the others use it."""
        self.scheduler.stop()
        self.jobs.finish()
        self.pool.dispose()
        worker.log.info("jobs are done, the pool is closed")

    def work(self, job: str) -> None:
        """What a job does."""
        time.sleep(0.2)  # stands for a mail server
        self.record("INSERT INTO jobs VALUES (:name, :pid)", name=job, pid=os.getpid())

    def tick(self, number: int) -> None:
        """What the scheduler does."""
        began = time.time()
        self.record(
            "INSERT INTO ticks VALUES (:number, :generation, :began, :ended)",
            number=number, generation=hotswap.generation, began=began, ended=time.time(),
        )  # fmt: skip

    def record(self, statement: str, **values: object) -> None:
        """Write a row."""
        with self.pool.begin() as connection:
            connection.execute(text(statement), values)


background = Background()


@app.get("/hello/<name>")
def hello(name: str) -> str:
    """A page that needs the database."""
    with background.pool.connect() as connection:
        done = connection.execute(text("SELECT count(*) FROM jobs")).scalar()
    who = f"version {VERSION}, generation {hotswap.generation}, pid {os.getpid()}"
    return f"hello {name}, {done} jobs are done; {who}\n"


@app.post("/jobs/<name>")
def add(name: str) -> tuple[str, int]:
    """A job, done after the answer, also if a restart comes in between."""
    background.jobs.put(name)
    return f"{name} will be done by {os.getpid()}\n", 202


@hotswap.on("starting")
def make_tables(server: object) -> None:
    """Once in each generation, before anything is forked; the connection is closed again at once."""
    engine = create_engine(DATABASE_URL)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS jobs (name VARCHAR(99), pid INTEGER)"))
        connection.execute(
            text("CREATE TABLE IF NOT EXISTS ticks (number BIGINT, generation INTEGER, began FLOAT, ended FLOAT)")
        )
    engine.dispose()


if __name__ == "__main__":
    hotswap.serve(app, ADDRESS, workers=WORKERS, post_worker_init=background.start, worker_exit=background.stop)
