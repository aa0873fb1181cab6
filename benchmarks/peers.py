"""The servers that are measured, each with the settings that its documentation recommends: one process that serves, or
two.

Settings are the same for every workload: no operator sets a server up anew for each page. They must serve 64 clients
that block, or most of the workloads would measure nothing but a limit. Where documentation leaves a choice, several
were tried; those that are not in the usual run can still be asked for by name.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import hotswap
from benchmarks.errors import BenchmarkError
from benchmarks.workloads import PAGES, RAW, Workload

HOTSWAP = "hotswap"


@dataclass(frozen=True)
class Peer:
    """A server and its settings."""

    name: str
    distribution: str
    """Its name on PyPI."""
    command: str
    """With {host}, {port}, {address} and {app}; the first word is a program beside this Python."""
    why: str
    """The reason for these settings."""
    maintained: bool = True
    """Whether its requests/s are a mark to reach."""
    usual: bool = True
    """Whether it is measured when no names are given."""
    pair: str = ""
    """The command for two workers; a peer may have one of the two only."""
    apps: tuple[str, ...] = (RAW, PAGES)
    """Which applications it can serve."""

    def serves(self, workload: Workload) -> bool:
        """Whether it is measured with this workload."""
        return bool(self._command(workload.workers)) and workload.app in self.apps

    def _command(self, workers: int) -> str:
        return self.pair if workers > 1 else self.command

    def arguments(self, address: str, app: str, workers: int = 1) -> list[str]:
        """What to execute."""
        host, _, port = address.rpartition(":")
        program, *words = self._command(workers).split()
        filled = (word.format(host=host, port=port, address=address, app=app) for word in words)
        return [str(Path(sys.executable).with_name(program)), *filled]

    @property
    def version(self) -> str:
        """What is installed.

        Raises:
            BenchmarkError: it is not.
        """
        if self.distribution == HOTSWAP:
            return hotswap.__version__  # the one beside this folder, installed or not
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            text = f"{self.distribution} is not installed: make bench does that; or name others with --peers"
            raise BenchmarkError(text) from None


_HOTSWAP = "python -m hotswap run --bind {address}"
_GUNICORN = "gunicorn --bind {address} --worker-class gthread --keep-alive 75"
_GRANIAN = "granian --host {host} --port {port} --interface wsgi --http 1 --no-ws --log-level warning --backlog 2048"
_WAITRESS = "waitress-serve --listen {address}"
_UWSGI = (
    "pyuwsgi --strict --need-app --die-on-term --single-interpreter --enable-threads --disable-logging"
    " --master --processes 1 --listen 1024 --module {app}:application"
)
_APP = "{app}:application"

PEERS = (
    Peer(
        HOTSWAP,
        "hotswap",
        f"{_HOTSWAP} {_APP}",
        "as installed: up to 64 threads",
        pair=f"{_HOTSWAP} --workers 2 {_APP}",
    ),
    Peer(
        "gunicorn",
        "gunicorn",
        f"{_GUNICORN} --threads 64 --http-parser fast {_APP}",
        "its C parser; as many threads as there are clients, which costs it nothing on hello",
        pair=f"{_GUNICORN} --workers 2 --threads 64 --http-parser fast {_APP}",
    ),
    Peer(
        "gunicorn-4",
        "gunicorn",
        f"{_GUNICORN} --threads 4 --http-parser fast {_APP}",
        "with as many threads as in its documentation",
        usual=False,
    ),
    Peer(
        "gunicorn-python",
        "gunicorn",
        f"{_GUNICORN} --threads 64 --http-parser python {_APP}",
        "without its C parser",
        usual=False,
    ),
    Peer(
        "granian",
        "granian",
        f"{_GRANIAN} --workers 1 --backpressure 128 {_APP}",
        "its documentation: leave the threads alone (they are half of the backpressure, so 64) and set a backpressure"
        " above the number of connections kept alive",
        pair=f"{_GRANIAN} --workers 2 --backpressure 128 {_APP}",
    ),
    Peer(
        "granian-1",
        "granian",
        f"{_GRANIAN} --workers 1 --blocking-threads 1 {_APP}",
        "its documentation: very few threads are faster if every answer takes about a millisecond",
        pair=f"{_GRANIAN} --workers 2 --blocking-threads 1 {_APP}",
    ),
    Peer(
        "granian-default",
        "granian",
        f"{_GRANIAN} --workers 1 {_APP}",
        "as installed: up to 1024 threads, of which it warns itself",
        usual=False,
    ),
    Peer("waitress", "waitress", f"{_WAITRESS} --threads 64 {_APP}", "as many threads as there are clients"),
    Peer("waitress-4", "waitress", f"{_WAITRESS} {_APP}", "as installed: 4 threads", usual=False),
    Peer(
        "uwsgi",
        "pyuwsgi",
        f"{_UWSGI} --threads 80 --http11-socket {{address}}",
        "HTTP spoken by the worker itself; a connection that is kept alive holds a thread, so more than clients",
    ),
    Peer(
        "uwsgi-router",
        "pyuwsgi",
        f"{_UWSGI} --threads 64 --http {{address}} --http-keepalive=75 --add-header Connection:Keep-Alive",
        "its documentation, if there is no proxy before it: a router in a process of its own",
        usual=False,
    ),
    Peer(
        "cheroot",
        "cheroot",
        "python -m benchmarks.launch {address} {app} 64",
        "as many threads as there are clients, and all of these kept alive",
    ),
    Peer(
        "uvicorn",
        "uvicorn",
        "",
        "with uvloop and httptools, as its documentation recommends; it is asked for the same by ASGI, having no WSGI",
        pair="uvicorn --host {host} --port {port} --workers 2 --loop uvloop --http httptools --backlog 2048"
        " --timeout-keep-alive 75 --no-access-log --log-level warning {app}_asgi:application",
        apps=(RAW,),
    ),
    Peer("cheroot-10", "cheroot", "python -m benchmarks.launch {address} {app} 10", "its 10 threads", usual=False),
    Peer(
        "fastwsgi",
        "fastwsgi",
        f"fastwsgi --host {{host}} --port {{port}} {_APP}",
        "all C, one thread, abandoned: what is possible, not what is to reach",
        maintained=False,
    ),
)
