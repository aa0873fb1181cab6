"""Plain WSGI: nothing between the server and the figures."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchmarks.apps.answers import DOWN, HELLO
from benchmarks.apps.counted import Counted
from benchmarks.apps.work import LOOPS, work

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_LOOPS_PER_MS = float(os.environ.get(LOOPS, "0"))


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The least that an application can do."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))])
    return [HELLO]


def up(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Reads the body and says how long it was."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    text = b"%d bytes came\n" % len(body)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


def down(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A long answer in one piece."""
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(DOWN)))])
    return [DOWN]


def block(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Waits `?ms=N` with the GIL released, as for a database; not at all with N = 0."""
    if wait := _ms(environ):
        time.sleep(wait / 1000)
    return hello(environ, start_response)


def compute(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Computes for about `?ms=N` with the GIL held: the same work on every server, however long it takes there."""
    work(round(_ms(environ) * _LOOPS_PER_MS))
    return hello(environ, start_response)


def _ms(environ: WSGIEnvironment) -> int:
    return int(environ["QUERY_STRING"].removeprefix("ms="))


ROUTES = {"/hello": hello, "/up": up, "/down": down, "/block": block, "/block/quick": block, "/compute": compute}


def _route(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return ROUTES[environ["PATH_INFO"]](environ, start_response)


application = Counted(_route)
