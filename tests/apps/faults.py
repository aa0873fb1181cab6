"""Things that go wrong in a running program, most of them once: for BELOW in plain.py."""

from __future__ import annotations

import errno
import fcntl
import importlib
import itertools
import os
import select
import signal
import sys
import threading
from typing import Any

import hotswap
from hotswap.callbacks import CALLBACKS


def dies_when_ready(generation: int = 0) -> None:
    """kill -9 of itself as soon as it serves: of that generation, or of each."""

    @hotswap.on("ready")
    def ready(_server: object) -> None:
        if generation in (0, hotswap.generation):
            os.kill(os.getpid(), signal.SIGKILL)


def exits_when_ready(generation: int) -> None:
    """That generation's program exits in a callback, as soon as it serves."""

    @hotswap.on("ready")
    def ready(_server: object) -> None:
        if hotswap.generation == generation:
            sys.exit(3)


def exits_at_sigusr1(status: int) -> None:
    """The program ends by itself, whatever it serves."""
    hotswap.on_signal(signal.SIGUSR1, "after")(lambda _number: os._exit(status))


def exits_at_sigterm() -> None:
    """As a program's own handler of old does: no request is finished."""

    @hotswap.on_signal(signal.SIGTERM, "before")
    def exit_now(_number: int) -> None:
        sys.exit(0)


def stops_when_ready() -> None:
    """Generation 2 stands still as soon as it serves."""

    @hotswap.on("ready")
    def ready(_server: object) -> None:
        if hotswap.generation == 2:
            os.kill(os.getpid(), signal.SIGSTOP)


def reaps_every_child() -> None:
    """A thread that waits for all children, and so for those of others."""

    def reap() -> None:
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                select.select([], [], [], 0.01)

    threading.Thread(target=reap, daemon=True).start()


def ignores_sigchld() -> None:
    """The kernel reaps them."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def allows_no_subprocess() -> None:
    """No successor can be started until there is a file "allowed"."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        # Only the successor: what is imported may want a subprocess too.
        if event == "subprocess.Popen" and "--graceful" in arguments[1] and not os.path.exists("allowed"):
            raise RuntimeError("no subprocesses here")

    sys.addaudithook(audit)


def opens_no_pidfd() -> None:
    """Generation 1 has no descriptor left for a pidfd until there is a file "allowed"."""
    open_one = os.pidfd_open

    def few_descriptors(pid: int, flags: int = 0) -> int:
        if hotswap.generation == 1 and not os.path.exists("allowed"):
            raise OSError(errno.EMFILE, "Too many open files")
        return open_one(pid, flags)

    os.pidfd_open = few_descriptors


def keeps_descriptors(count: int) -> None:
    """So many are open, and stay so."""
    for _ in range(count):
        os.open(os.devnull, os.O_RDONLY)


def cannot_ask_for_locks(step: str, times: int = 1) -> None:
    """So many times, from that step on, the kernel has no memory to tell which process holds a lock (fcntl(2), ENOLCK).

    The main loop asks that about once a second while it serves, and all the time while it leaves.
    """
    ask: Any = fcntl.fcntl
    failures: list[str] = []

    def failing(fd: int, command: int, *rest: Any) -> Any:
        if command == fcntl.F_GETLK and failures and threading.current_thread() is threading.main_thread():
            raise OSError(errno.ENOLCK, failures.pop())
        return ask(fd, command, *rest)

    setattr(fcntl, "fcntl", failing)  # noqa: B010  (its overloads are nothing to assign to)
    CALLBACKS.add(step, lambda _server: failures.extend(["no locks"] * times))


def allows_orphans_no_locks() -> None:
    """A worker whose server is gone cannot ask which other processes are there."""
    ask: Any = fcntl.fcntl
    server = os.getpid()

    def failing(fd: int, command: int, *rest: Any) -> Any:
        if command == fcntl.F_GETLK and os.getpid() != server != os.getppid():
            raise OSError(errno.ENOLCK, "no locks")
        return ask(fd, command, *rest)

    setattr(fcntl, "fcntl", failing)  # noqa: B010


def fails_while_leaving(module: str, function: str, times: int) -> None:
    """A function fails so many times on the main thread of generation 1, from the signal on that makes it leave."""
    right: Any = getattr(importlib.import_module(module), function)
    faults: list[int] = []

    def failing(*arguments: Any, **named: Any) -> Any:
        if faults and threading.current_thread() is threading.main_thread():
            raise RuntimeError(f"{faults.pop()} to go")
        return right(*arguments, **named)

    setattr(sys.modules[module], function, failing)

    @hotswap.on_signal(signal.SIGTERM, "before")
    def arm(_number: int) -> None:
        if hotswap.generation == 1:
            faults.extend(range(times))


def closes_descriptor_3() -> None:
    """The first listener is closed by its number when SIGTERM comes."""
    hotswap.on_signal(signal.SIGTERM, "before")(lambda _number: os.close(3))


def fails_at(step: str) -> None:
    """A callback raises: at "begin", as late as a boot can fail."""

    def fail(_argument: object) -> None:
        raise OSError("no database")

    CALLBACKS.add(step, fail)


def fails_once_at(step: str) -> None:
    """The same, but not the second time."""
    faults = [OSError("no database")]

    def fail(_argument: object) -> None:
        if faults:
            raise faults.pop()

    CALLBACKS.add(step, fail)


def restarting_exits() -> None:
    """A callback that exits."""
    hotswap.on("restarting")(lambda _server: sys.exit(7))


def looks_often_for_its_path() -> None:
    """Every tenth of a second instead of every minute."""
    import hotswap.serving.resources

    hotswap.serving.resources.KEEP_PATH = 0.1


def interpreter_is_pruned() -> None:
    """Generation 1 was started by an interpreter that a deploy has removed since."""
    if hotswap.generation == 1:
        sys.executable = "/nowhere/python"


def answers_500_to_one_in(number: int, generation: int = 0) -> None:
    """One of so many answers is a 500, of that generation or of each; the connection stays open."""
    serve = hotswap.serve
    asked = itertools.count(1)

    def serve_failing(app: Any, *where: Any, **settings: Any) -> str:
        def failing(environ: dict[str, Any], start_response: Any) -> Any:
            if next(asked) % number or generation not in (0, hotswap.generation):
                return app(environ, start_response)
            start_response(
                "500 Internal Server Error", [("Content-Length", "6"), ("X-Generation", str(hotswap.generation))]
            )
            return [b"broken"]

        return serve(failing, *where, **settings)

    hotswap.serve = serve_failing  # type: ignore[assignment]
