"""The application of the tests. A copy of it is served, and a deploy rewrites its three constants."""

from __future__ import annotations

import hashlib
import json
import os
import select
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote

import hotswap

VERSION = "1"
ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}

Environ = dict[str, Any]


def who() -> str:
    """Who answers."""
    return f"version={VERSION} generation={hotswap.generation} pid={os.getpid()}\n"


def home(environ: Environ, rest: str) -> Iterator[bytes]:
    """Who answers."""
    yield who().encode()


def echo(environ: Environ, rest: str) -> Iterator[bytes]:
    """The token that was asked for, and who answers."""
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
    "fail": fail,
}


def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application; every answer also says in its headers who gave it."""
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
    print("serve() returned", hotswap.serve(app, ADDRESS, **SETTINGS), flush=True)
