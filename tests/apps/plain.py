"""The application of the tests. A copy of it is served, and a deploy rewrites its constants.

ABOVE, BELOW and LAST name what else happens above `import hotswap`, below it, and when serve() has returned: a function
of this folder, as "gates.retiring", with arguments as ("boots.exits", 3), or a list of these.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote

VERSION = "1"
ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}
ABOVE: Any = []
BELOW: Any = []
LAST: Any = []


def take(steps: Any) -> None:
    """Calls the functions named, one after the other."""
    for step in steps if isinstance(steps, list) else [steps]:
        name, *arguments = [step] if isinstance(step, str) else step
        module, _, function = name.rpartition(".")
        getattr(importlib.import_module(f"tests.apps.{module}"), function)(*arguments)


take(ABOVE)

import hotswap

take(BELOW)

Environ = dict[str, Any]


def who() -> str:
    """Which version, generation and process answers."""
    return f"version={VERSION} generation={hotswap.generation} pid={os.getpid()}\n"


def home(environ: Environ, rest: str) -> Iterator[bytes]:
    """Which version, generation and process answers."""
    yield who().encode()


def echo(environ: Environ, rest: str) -> Iterator[bytes]:
    """The token that was asked for, and which process answers."""
    yield f"{rest} {who()}".encode()


def slow(environ: Environ, rest: str) -> Iterator[bytes]:
    """An answer that takes so many seconds of waiting."""
    print(f"slow {rest} began", flush=True)
    select.select([], [], [], float(rest))
    yield f"waited {rest} {who()}".encode()


def pid(environ: Environ, rest: str) -> Iterator[bytes]:
    """The process that answers."""
    yield str(os.getpid()).encode()


def version(environ: Environ, rest: str) -> Iterator[bytes]:
    """The constant that a deploy changes."""
    yield VERSION.encode()


def upload(environ: Environ, rest: str) -> Iterator[bytes]:
    """The SHA-256 of the body."""
    digest = hashlib.sha256()
    while piece := environ["wsgi.input"].read(65536):
        digest.update(piece)
    yield digest.hexdigest().encode()


def stream(environ: Environ, rest: str) -> Iterator[bytes]:
    """So many bytes: the query string and a line feed, repeated; in pieces, and without a length."""
    left, line = int(rest), environ["QUERY_STRING"].encode() + b"\n"
    piece = line * (65536 // len(line) + 1)
    while left > 0:
        yield piece[:left]
        left -= len(piece)


def env(environ: Environ, rest: str) -> Iterator[bytes]:
    """The environment of the process, as JSON."""
    yield json.dumps(dict(os.environ)).encode()


def fds(environ: Environ, rest: str) -> Iterator[bytes]:
    """The open descriptors of the process and what they lead to, as JSON."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            pass  # the one that listdir itself had open
    yield json.dumps(found).encode()


def gated(environ: Environ, rest: str) -> Iterator[bytes]:
    """Which process answers, when the gate of that name is opened."""
    from tests.apps.gates import gate

    gate(rest)
    yield who().encode()


def checked(environ: Environ, rest: str) -> Iterator[bytes]:
    """Nothing; an attempt may stand here while it checks itself."""
    from tests.apps.attempts import stand

    stand("check")
    yield b""


def process(environ: Environ, rest: str) -> Iterator[bytes]:
    """How the process was started and where it is, as JSON."""
    found = {
        "directory": os.getcwd(),
        "arguments": sys.argv[1:],
        "utf8_mode": sys.flags.utf8_mode,
        "optimize": sys.flags.optimize,
        "prefix": sys.prefix,
        "file": os.path.realpath(__file__),
        "users": [*os.getresuid(), *os.getresgid()],
    }
    yield json.dumps(found).encode()


def speaks(environ: Environ, rest: str) -> Iterator[bytes]:
    """Who answers; it also prints a line, and writes one to descriptor 2."""
    print(f"printed by {VERSION}", flush=True)
    os.write(2, f"written by {VERSION}\n".encode())
    yield who().encode()


def bursts(environ: Environ, rest: str) -> Iterator[bytes]:
    """Where the logs of the boot lead, as JSON; it also writes more to each than a pipe holds."""
    from tests.apps import chatty

    yield json.dumps(chatty.bursts()).encode()


def started(environ: Environ, rest: str) -> Iterator[bytes]:
    """What the process knew above `import hotswap`, as JSON."""
    from tests.apps.early import STARTED

    yield json.dumps(STARTED).encode()


def spawned(environ: Environ, rest: str) -> Iterator[bytes]:
    """What subprocesses had open that were started while this process booted, and now, as JSON."""
    from tests.apps.environment import BOOTING, spawn

    yield json.dumps([*BOOTING, spawn()]).encode()


def forks(environ: Environ, rest: str) -> Iterator[bytes]:
    """The pid of a child that stays until it is killed."""
    from tests.apps.forks import child

    yield str(child("in a request")).encode()


def multiprocessing(environ: Environ, rest: str) -> Iterator[bytes]:
    """The exit status of a child that was sent SIGTERM."""
    from tests.apps.forks import exit_code_of_a_child_that_is_told_to_end

    yield str(exit_code_of_a_child_that_is_told_to_end()).encode()


def module(environ: Environ, rest: str) -> Iterator[bytes]:
    """The names and texts of a module, as JSON."""
    found = vars(importlib.import_module(rest))
    yield json.dumps({name: value for name, value in found.items() if isinstance(value, str)}).encode()


def client(environ: Environ, rest: str) -> Iterator[bytes]:
    """Which client the server sees, as JSON."""
    yield json.dumps([environ["REMOTE_ADDR"], environ.get("PROXY_PROTOCOL")]).encode()


def fail(environ: Environ, rest: str) -> Iterator[bytes]:
    """A mistake in the application."""
    raise RuntimeError(f"asked to fail: {rest}")


ROUTES: dict[str, Callable[[Environ, str], Iterator[bytes]]] = {
    "": home,
    "echo": echo,
    "slow": slow,
    "pid": pid,
    "version": version,
    "upload": upload,
    "stream": stream,
    "env": env,
    "fds": fds,
    "gated": gated,
    "checked": checked,
    "process": process,
    "speaks": speaks,
    "bursts": bursts,
    "started": started,
    "spawned": spawned,
    "forks": forks,
    "multiprocessing": multiprocessing,
    "module": module,
    "client": client,
    "fail": fail,
}


def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application; every answer also says in its headers which process gave it."""
    name, _, rest = unquote(environ["PATH_INFO"]).strip("/").partition("/")
    headers = [
        ("Content-Type", "text/plain"),
        ("X-Version", VERSION),
        ("X-Generation", str(hotswap.generation)),
        ("X-Pid", str(os.getpid())),
    ]
    if name not in ROUTES:
        start_response("404 Not Found", headers)
        return [b"no such route\n"]
    if name == "stream":
        start_response("200 OK", headers)
        return stream(environ, rest)
    body = b"".join(ROUTES[name](environ, rest))
    start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    print("serve() returned", hotswap.serve(app, ADDRESS or None, **SETTINGS), flush=True)
    take(LAST)
