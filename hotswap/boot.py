"""How a generation comes by its exchange, its scoreboard and its pid file, and how it asks itself whether it works."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator, Mapping

from hotswap import neighbours
from hotswap.errors import BootError, HotswapError, NoSuchServer, SettingError
from hotswap.lifecycle.handoff import Handoff
from hotswap.system.exchange import Exchange
from hotswap.system.pidfile import PidFile
from hotswap.system.scoreboard import Scoreboard

#: How long the answer to the `check` request may take (seconds); boot_timeout ends a hanging boot anyway.
CHECK_TIMEOUT = 30.0


@contextlib.contextmanager
def reserved(first: int, count: int) -> Iterator[None]:
    """Keep the descriptor numbers from `first` on free for `count` listeners, while log files and such are opened."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    held = []
    for number in range(first, first + count):
        got = fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, number)
        if got == number:
            held.append(got)
        else:
            # Taken by the program, or by a listener that was passed.
            os.close(got)
    if null not in held:
        held.append(null)
    try:
        yield
    finally:
        for fd in held:
            os.close(fd)


def open_exchange(handoff: Handoff | None) -> Exchange:
    """The pair that generation 1 made, or a new one."""
    if handoff is None or handoff.exchange_send < 0:
        return Exchange.create()
    return Exchange(handoff.exchange_send, handoff.exchange_receive)


def open_scoreboard(handoff: Handoff | None, run_dir: str | None, name: str) -> tuple[Scoreboard, bool]:
    """The scoreboard, and whether it is the predecessor's.

    One that we cannot read is replaced by one of our own; then the predecessor must not count on us as a receiver.
    """
    if handoff is not None and handoff.scoreboard >= 0:
        try:
            return Scoreboard.from_fd(handoff.scoreboard), True
        except HotswapError:
            os.close(handoff.scoreboard)
    return Scoreboard.create(run_dir, name), False


def open_pidfile(path: str, handoff: Handoff | None, environ: Mapping[str, str]) -> PidFile:
    """The pid file. Raises SettingError if it names another server, which still serves and would have none any more."""
    pidfile = PidFile(path)
    # Under Server::Starter generations do not know each other, and the one before serves until this one does.
    if handoff is None and "SERVER_STARTER_PORT" not in environ:
        _must_not_serve(pidfile)
    return pidfile


def _must_not_serve(pidfile: PidFile) -> None:
    holder = pidfile.holder()
    if holder is None:
        return
    with contextlib.suppress(NoSuchServer), contextlib.closing(Scoreboard.of_pid(holder)) as board:
        if any(view.pid == holder for view in neighbours.serving(board)):
            raise SettingError(
                f"the pid file {pidfile.path} is in use by pid {holder}, which serves {board.name}: choose another "
                f"path, or stop that server with hotswap stop {holder}"
            )


def check(path: str, knock: Callable[[], socket.socket]) -> None:
    """Send ourselves `GET path` over the connection that `knock` makes.

    Raises BootError unless the answer is 2xx or 3xx.
    """
    with knock() as ours:
        ours.settimeout(CHECK_TIMEOUT)
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: hotswap-check\r\nConnection: close\r\n\r\n"
        try:
            ours.sendall(request.encode("ascii"))
            status = ours.makefile("rb").readline(200).decode("latin-1").strip()
        except OSError as error:
            raise BootError(f"the check of {path} was not answered ({error})") from error
    words = status.split(" ", 2)
    if len(words) < 2 or not words[1].startswith(("2", "3")):
        raise BootError(f"the check of {path} failed: the application answered {status or 'nothing'!r}")
