"""What decides the figures of the workloads in which targets are missed: shown beside those that are."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.targets import Verdict

_ONE_CLIENT = (
    "With one client most of a request's CPU time is the kernel's: three system calls, a sleep and a wake-up, which "
    "each server pays. A third of a server with threads is less than FastPySGI needs, which has none."
)
_BLOCK = (
    "Before a call that blocks as a rule the lead goes to another thread, and until that is awake no other request is "
    "read: on some virtual machines a wake-up takes long."
)
_COMPUTE = (
    "The monitor, which takes the lead from a call that is stuck, looks 200 times a second, and for each look the call "
    "lets go of the GIL: without it hotswap needs 6 % less."
)
_LARGE = (
    "A body of 1 MiB does not fit into the socket: hotswap sends or receives what fits, and polls before the next part."
)
_ASGI = (
    "The event loop is uvloop's, as uvicorn's is, and with it epoll, the sockets and their wake-ups; what hotswap has "
    "of its own, head, scope, call and answer, is Python but for the head."
)
_FASTAPI = "Most of the time is FastAPI's, which is the same in each server."
_UNKNOWN = "no cause is known that holds in each run; on a shared machine figures of 0.9 s vary by a tenth and more."
_MIXTURE = "Nearly all of the time is the application's sleep, in both servers; what is left are wake-ups."

#: By the workload and the number of clients.
_REASONS = {
    ("hello", 1): _ONE_CLIENT,
    ("block", 1): _BLOCK,
    ("block", 64): _BLOCK,
    ("compute", 1): _COMPUTE,
    ("compute", 64): _COMPUTE,
    ("up", 1): _LARGE,
    ("up", 64): _LARGE,
    ("down", 1): _LARGE,
    ("down", 64): _LARGE,
    ("mixture", 1): _MIXTURE,
    ("routes", 1): _MIXTURE,
    ("asgi-hello", 1): _ASGI,
    ("asgi-hello", 64): _ASGI,
    ("fastapi", 1): _FASTAPI,
    ("fastapi", 64): _FASTAPI,
}


def reasons(verdicts: Iterable[Verdict]) -> list[str]:
    """A line for each workload of which a target was missed."""
    missed: dict[str, dict[str, None]] = {}  # in the order of the verdicts
    for one in verdicts:
        if not one.reached:
            why = _REASONS.get((one.workload, one.clients), _UNKNOWN)
            missed.setdefault(why, {})[f"{one.workload}, {one.clients} client{'s' * (one.clients > 1)}"] = None
    return [f"- {'; '.join(named)}: {why}" for why, named in missed.items()]
