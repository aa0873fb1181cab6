"""How often an application was called: what load generator and server say is held against it.

A server goes on with what it was asked when the clients have left. So its CPU time is divided by the calls that there
were, not by the answers that arrived.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchmarks.apps.tally import TALLY, Tally

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CALLS = "/calls"


class Calls:
    """The number of calls: of this process, or of all processes of a server if there is a tally for them."""

    def __init__(self) -> None:
        self._calls = itertools.count(1)  # next() is one act, also between threads
        path = os.environ.get(TALLY)
        self._tally = Tally(path) if path else None

    def count(self) -> int:
        """Counts a call; how many there were in this process so far, this one included."""
        if self._tally is not None:
            self._tally.count()
        return next(self._calls)

    def answer(self, calls: int) -> bytes:
        """What `/calls` answers in the call that `count` gave this number."""
        return b"%d" % (calls if self._tally is None else self._tally.total())


class Counted:
    """A WSGI application around another one: answers `/calls` with the number of calls so far, this one included."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._calls = Calls()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Counts, and calls the application."""
        calls = self._calls.count()
        if environ["PATH_INFO"] == CALLS:
            text = self._calls.answer(calls)
            start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
            return [text]
        return self._application(environ, start_response)
