"""What keeps a process from ending when serve() has returned: for BELOW in plain.py."""

from __future__ import annotations

import atexit
import concurrent.futures
import multiprocessing
import threading

from tests.apps.early import wait_for_file
from tests.apps.endings import say


def thread() -> None:
    """A thread that ends when there is a file "go"."""
    threading.Thread(target=wait_for_file, args=("go",), name="my-worker").start()


def executor() -> None:
    """A job of an executor."""
    pool = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="my-pool")
    pool.submit(wait_for_file, "go")


def child() -> None:
    """A child of multiprocessing's."""
    multiprocessing.get_context("fork").Process(target=wait_for_file, args=("go",), name="my-child").start()


def handler() -> None:
    """An atexit handler."""
    atexit.register(my_handler)


def my_handler() -> None:
    """It waits for a pool."""
    say("my handler waits")
    wait_for_file("go")


def executor_after_serve() -> None:
    """For LAST: imported as late as that."""
    executor()
