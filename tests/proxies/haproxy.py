"""HAProxy in front of programs, by the files that docs/proxies.md shows, and what it has written down."""

from __future__ import annotations

import csv
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.asking import connect
from tests.documented import documented
from tests.proxies.starting import start

#: One thread: of two that write at the same moment, one drops its line (`DroppedLogs` of `show info`).
GLOBAL = """
global
    nbthread 1
    log stdout format raw local0
    stats socket fd@{stats}
"""
_HTTPLOG = re.compile(r"shop/(\S+) [\d/+-]+ (-?\d+) \d+ - - (\S{4}) [\d/]+/(\+?\d+) ")


class Request(NamedTuple):
    """A request in its log (option httplog): who answered, with which status, how it ended ("----": well), how often it
    was sent again ("+": to another server).
    """

    server: str
    status: int
    ended: str
    retries: str


class HAProxy:
    """One in a folder of its own, by a file of the page with changes. It has started, and listens at `address`.

    `inside`: the words in front of its command, which put it into a namespace; `address` is where the test is all the
    same.
    """

    def __init__(self, folder: Path, title: str, changes: Mapping[str, str], *, inside: Sequence[str] = ()) -> None:
        self._log = folder / "log"
        with (
            socket.create_server(("127.0.0.1", 0), backlog=1024) as web,
            socket.create_server(("127.0.0.1", 0)) as stats,
        ):
            self.address, self._stats = address_of(web), address_of(stats)
            text = documented("proxies.md", title, {"bind :80": f"bind fd@{web.fileno()}", **changes})
            (folder / "haproxy.cfg").write_text(GLOBAL.format(stats=stats.fileno()) + text)
            command = [*inside, "haproxy", "-db", "-f", "haproxy.cfg"]
            start(command, self._log, descriptors=[web.fileno(), stats.fileno()])

    def asked(self) -> list[Request]:
        """The requests that it has finished."""
        found = [_HTTPLOG.search(line) for line in self.text().splitlines()]
        return [Request(each[1], int(each[2]), each[3], each[4]) for each in found if each]

    def counts(self, server: str) -> dict[str, str]:
        """Its statistics of a server (`show stat` of its manual, 9.3): `connect`, `reuse`, `chkdown`, `status` …"""
        with connect(self._stats) as client:
            client.sendall(b"show stat\n")
            text = client.makefile("r").read()
        rows = csv.DictReader(text.removeprefix("# ").splitlines())
        return next(row for row in rows if row["svname"] == server)

    def text(self) -> str:
        """What it has logged."""
        return self._log.read_text()


def address_of(listener: socket.socket) -> str:
    """Where it listens, as tests name it."""
    host, port = listener.getsockname()
    return f"{host}:{port}"
