"""Connections to be moved, and other processes on an exchange, for tests."""

from __future__ import annotations

import os
import socket

from hotswap.handover.exchange import Exchange
from hotswap.handover.wire import Passed
from tests.system.other_process import DEADLINE, OtherProcess

IMPORT = (
    "import os, resource, select, socket\n"
    "from hotswap.handover.exchange import Exchange, NoRoom\n"
    "from hotswap.handover.wire import ExchangeError, Passed, pack\n"
    "from hotswap.system.fd_limit import reserve_fds"
)


def connections(count: int) -> tuple[list[socket.socket], list[Passed]]:
    """The clients' ends and the servers', the latter ready to be passed on."""
    clients, passed = [], []
    for number in range(count):
        client, server = socket.socketpair()
        client.settimeout(DEADLINE)
        clients.append(client)
        passed.append(Passed(server.detach(), "127.0.0.1:80", str(number).encode()))
    return clients, passed


def close(*, clients: list[socket.socket] | None = None, passed: list[Passed] | None = None) -> None:
    for client in clients or []:
        client.close()
    for item in passed or []:
        os.close(item.fd)


def open_fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def other_side(exchange: Exchange, *fds: int, limit: int = 0) -> OtherProcess:
    """Another process with the exchange and `fds`, its descriptors limited to `limit` if that is not 0."""
    process = OtherProcess(exchange.send_fd, exchange.receive_fd, *fds)
    process.do(f"{IMPORT}\nexchange = Exchange({exchange.send_fd}, {exchange.receive_fd})")
    if limit:
        process.do(f"resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))")
    return process
