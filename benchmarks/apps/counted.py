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


class Counted:
    """A WSGI application around another one: answers `/calls` with the number of calls so far, this one included."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._calls = itertools.count(1)  # next() is one act, also between threads
        path = os.environ.get(TALLY)
        self._tally = Tally(path) if path else None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Counts, and calls the application."""
        calls = next(self._calls)
        if self._tally is not None:
            self._tally.count()
        if environ["PATH_INFO"] == CALLS:
            text = b"%d" % (calls if self._tally is None else self._tally.total())
            start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
            return [text]
        return self._application(environ, start_response)
