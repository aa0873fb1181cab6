"""Tells systemd about a service of Type=notify or notify-reload: sd_notify(3), in plain datagrams.

With systemd's usual NotifyAccess=main, systemd listens to the unit's main process only: so a predecessor speaks for its
successor until it has passed MAINPID on.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping

_STATUS_MAX = 1024  # bytes: systemd drops datagrams beyond 4096
_ALIVE = "WATCHDOG=1"


class Notifier:
    """Sends to one notification socket, from any thread.

    No method raises or blocks; each returns whether the kernel took the datagram.
    """

    def __init__(self, path: str, instead: Callable[[str], object] | None = None) -> None:
        """`path`: absolute, or "@name" for the abstract namespace. `instead` gets the text that would be sent there,
        for a process that systemd does not listen to."""
        self.path = path
        self._instead = instead
        self._address = b"\0" + os.fsencode(path[1:]) if path.startswith("@") else os.fsencode(path)

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str], instead: Callable[[str], object] | None = None
    ) -> Notifier | None:
        """Return the notifier for NOTIFY_SOCKET; None without it, and if it is not a unix socket."""
        path = environ.get("NOTIFY_SOCKET", "")
        return cls(path, instead) if path.startswith(("/", "@")) and len(path) > 1 else None

    def ready(self, mainpid: int | None = None, status: str = "", *, alive: bool = False) -> bool:
        """Say that the service is ready, or that a reload is over; `mainpid` is its main process from now on.

        `alive`: and start the watchdog's time again.
        """
        lines = [] if mainpid is None else [f"MAINPID={mainpid}"]
        return self._send(*lines, "READY=1", *_status(status), *([_ALIVE] if alive else []))

    def reloading(self, seconds: float = 0) -> bool:
        """Say that a reload began; `systemctl reload` then waits for the next `ready`. `seconds`: see `extend`."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", *_extend(seconds))

    def stopping(self, status: str = "", seconds: float = 0) -> bool:
        """Say that the service is about to stop by itself. `seconds`: see `extend`."""
        return self._send("STOPPING=1", *_status(status), *_extend(seconds))

    def progress(self, status: str, seconds: float = 0) -> bool:
        """Show one line in `systemctl status`. `seconds`: see `extend`."""
        return self._send(f"STATUS={_one_line(status)}", *_extend(seconds))

    def extend(self, seconds: float) -> bool:
        """Ask for that many seconds more, from now, before a start, a reload or a stop counts as failed."""
        return self._send(*_extend(seconds))

    def alive(self) -> bool:
        """Start the watchdog's time again."""
        return self._send(_ALIVE)

    def pass_on(self, lines: Iterable[str]) -> bool:
        """Send what another process gave to this one for it (`instead`)."""
        return self._send(*lines)

    def _send(self, *lines: str) -> bool:
        if self._instead is not None:
            self._instead("\n".join(lines))
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)  # a full queue must not stop a server
                sock.sendto("\n".join(lines).encode(errors="replace"), self._address)
        except OSError:
            return False
        return True


def watchdog_s(environ: Mapping[str, str], pids: Collection[int]) -> float:
    """Return within how many seconds systemd wants to hear `alive` again and again; 0 if it does not.

    As sd_watchdog_enabled(3): a WATCHDOG_PID that is none of `pids` asks another process.
    """
    value, asked = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not value.isdecimal() or (asked and asked not in map(str, pids)):
        return 0.0
    return int(value) / 1_000_000


def _extend(seconds: float) -> list[str]:
    return [f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}"] if seconds > 0 else []


def _status(text: str) -> list[str]:
    return [f"STATUS={_one_line(text)}"] if text else []


def _one_line(text: str) -> str:
    # systemd takes every line for an assignment: a line in an error's text could name another main process.
    line = " ".join(text.split()).encode(errors="replace")
    return line[:_STATUS_MAX].decode(errors="ignore")
