"""What systemd is told about a service of Type=notify or notify-reload: sd_notify(3), in plain datagrams.

With systemd's usual NotifyAccess=main only the unit's main process is heard, so a predecessor speaks for its
successor until MAINPID has been passed on.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_STATUS_MAX = 1024  # bytes: systemd drops datagrams beyond 4096


class Notifier:
    """Sends to one notification socket.

    No method raises or blocks; each returns whether the kernel took the datagram.
    """

    def __init__(self, path: str) -> None:
        """`path`: absolute, or "@name" for the abstract namespace."""
        self.path = path
        self._address = b"\0" + os.fsencode(path[1:]) if path.startswith("@") else os.fsencode(path)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Notifier | None:
        """Return the notifier for NOTIFY_SOCKET; None without it, and if it is not a unix socket."""
        path = environ.get("NOTIFY_SOCKET", "")
        return cls(path) if path.startswith(("/", "@")) and len(path) > 1 else None

    def ready(self, mainpid: int | None = None, status: str = "") -> bool:
        """Say that the service is ready, or a reload over; `mainpid` is its main process from now on."""
        lines = [] if mainpid is None else [f"MAINPID={mainpid}"]
        return self._send(*lines, "READY=1", *_status(status))

    def reloading(self) -> bool:
        """Say that a reload began; `systemctl reload` then waits for the next `ready`."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> bool:
        """Say that the service is about to stop by itself."""
        return self._send("STOPPING=1")

    def status(self, text: str) -> bool:
        """Show one line in `systemctl status`."""
        return self._send(f"STATUS={_one_line(text)}")

    def extend(self, seconds: float) -> bool:
        """Ask for that many seconds more, from now, before a start, a reload or a stop counts as failed."""
        return self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def _send(self, *lines: str) -> bool:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)  # a full queue must not stop a server
                sock.sendto("\n".join(lines).encode(errors="replace"), self._address)
        except OSError:
            return False
        return True


def _status(text: str) -> list[str]:
    return [f"STATUS={_one_line(text)}"] if text else []


def _one_line(text: str) -> str:
    # Every line is an assignment: one from an error's text could otherwise name another main process.
    line = " ".join(text.split()).encode(errors="replace")
    return line[:_STATUS_MAX].decode(errors="ignore")
