"""What must not be there when workers are forked: threads and connections that loading the application has made."""

from __future__ import annotations

from hotswap.errors import BootError
from hotswap.system.unforkable import Unforkable

_REMEDY = (
    "start it in the post_fork or post_worker_init hook, or when the first request needs it; "
    "or load the application in each worker (hotswap run --no-preload), or serve from one process (workers=0)"
)


def check(before: Unforkable) -> str:
    """Raise BootError, which names them, if this process has threads or connections of the application's.

    `before`: those that were there before it was loaded, by an agent (opentelemetry-instrument, ddtrace-run, a
    sitecustomize) or a debugger. Returns a sentence that names those of them that are still there, for a warning.
    """
    now = Unforkable.now()
    made = now.without(before)
    if made != Unforkable():
        raise BootError(f"cannot fork workers: {', '.join(_made(made))} before the fork: {_REMEDY}")
    kept = now.words()
    if not kept:
        return ""
    return (
        f"workers are forked with what was there before the application was loaded ({', '.join(kept)}): workers have "
        "no such thread, unless its library starts it again after a fork, and share the connections"
    )


def _made(made: Unforkable) -> list[str]:
    threads = [f"{words} was started" for words in made._replace(connections=()).words()]
    return threads + [f"{words} was opened" for words in made._replace(threads=()).words()]
