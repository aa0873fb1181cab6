"""What is asked of every server."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.apps.answers import (
    CHUNK,
    CHUNKS,
    DOWN,
    ECHOED,
    HELLO,
    JSON,
    MESSAGE_JSON,
    MIB,
    PLAIN_JSON,
    UP,
)

WSGI, ASGI = "wsgi", "asgi"
RAW = "benchmarks.apps.raw"
PAGES = "benchmarks.apps.pages"
RAW_ASGI = "benchmarks.apps.raw_asgi"
STARLETTE = "benchmarks.apps.starlette_pages"
FASTAPI = "benchmarks.apps.fastapi_pages"

#: With this many connections at a time; each asks again as soon as it was answered.
CLIENTS = (1, 64)
#: One client alone keeps no second worker busy, and one websocket is not what servers have them for.
PAIR_CLIENTS = ECHO_CLIENTS = (64,)


@dataclass(frozen=True)
class Ask:
    """One request, the answer it must get, and how often it comes in each turn of its workload."""

    path: str
    answer: bytes
    body: int = 0
    """Bytes sent with POST; 0 is a GET."""
    times: int = 1


@dataclass(frozen=True)
class Echo:
    """A message that each websocket sends and gets back, over and over again."""

    path: str
    message: str


@dataclass(frozen=True)
class Workload:
    """Requests that follow each other over and over again."""

    name: str
    title: str
    app: str
    """The module whose `application` is served."""
    asks: tuple[Ask, ...]
    beside: Ask | None = None
    """What one more client asks for meanwhile, all the time."""
    workers: int = 1
    """How many processes serve."""
    interface: str = WSGI
    """How the application is called."""
    clients: tuple[int, ...] = CLIENTS
    """It is measured with each of these numbers."""
    echo: Echo | None = None
    """What is sent over websockets; there are no other requests then."""
    logged: bool = False
    """Whether the server writes an access log."""


def _one(name: str, title: str, app: str, ask: Ask, beside: Ask | None = None) -> Workload:
    return Workload(name, title, app, (ask,), beside)


def _asgi(name: str, title: str, app: str, ask: Ask, workers: int = 1) -> Workload:
    clients = CLIENTS if workers == 1 else PAIR_CLIENTS
    return Workload(name, title, app, (ask,), workers=workers, interface=ASGI, clients=clients)


#: In the order of the report. The two mixtures differ in what a server can know: one path for both kinds of call, as
#: with a cache that answers nine times of ten; or a path for each, so that it can be learnt which of them blocks.
WSGI_WORKLOADS = (
    _one("hello", "hello", RAW, Ask("/hello", HELLO)),
    _one("flask", "Flask hello", PAGES, Ask("/hello", HELLO)),
    _one("json", "Flask JSON of 10 kB", PAGES, Ask("/json", JSON)),
    _one("up", "1 MiB body up", RAW, Ask("/up", UP, body=MIB)),
    _one("down", "1 MiB body down", RAW, Ask("/down", DOWN)),
    _one("block", "10 ms blocking call", RAW, Ask("/block?ms=10", HELLO)),
    Workload(
        "mixture",
        "mixture: 90 % at once, 10 % blocking 20 ms, one path",
        RAW,
        (Ask("/block?ms=0", HELLO, times=9), Ask("/block?ms=20", HELLO)),
    ),
    Workload(
        "routes",
        "mixture: 90 % at once, 10 % blocking 20 ms, two paths",
        RAW,
        (Ask("/block/quick?ms=0", HELLO, times=9), Ask("/block?ms=20", HELLO)),
    ),
    _one("compute", "2 ms CPU-bound call", RAW, Ask("/compute?ms=2", HELLO)),
    _one(
        "beside",
        "hello beside a 200 ms CPU-bound call",
        RAW,
        Ask("/hello", HELLO),
        beside=Ask("/compute?ms=200", HELLO),
    ),
    Workload("logged", "hello with an access log", RAW, (Ask("/hello", HELLO),), logged=True),
    Workload("hello-2", "hello, two workers", RAW, (Ask("/hello", HELLO),), workers=2, clients=PAIR_CLIENTS),
    Workload("flask-2", "Flask hello, two workers", PAGES, (Ask("/hello", HELLO),), workers=2, clients=PAIR_CLIENTS),
)

ASGI_WORKLOADS = (
    _asgi("asgi-hello", "hello", RAW_ASGI, Ask("/hello", HELLO)),
    _asgi("asgi-json", "Starlette JSON of 10 kB", STARLETTE, Ask("/json", PLAIN_JSON)),
    _asgi("fastapi", "FastAPI hello", FASTAPI, Ask("/hello", MESSAGE_JSON)),
    _asgi("asgi-up", "1 MiB body up", RAW_ASGI, Ask("/up", UP, body=MIB)),
    _asgi("asgi-down", "1 MiB body down", RAW_ASGI, Ask("/down", DOWN)),
    _asgi("asgi-stream", f"{CHUNKS} chunks of 1 KiB down", RAW_ASGI, Ask("/stream", CHUNK * CHUNKS)),
    Workload(
        "asgi-echo",
        "websockets, each of which sends a message of 100 bytes and waits for it",
        RAW_ASGI,
        (),
        interface=ASGI,
        clients=ECHO_CLIENTS,
        echo=Echo("/echo", ECHOED),
    ),
    _asgi("asgi-hello-2", "hello, two workers", RAW_ASGI, Ask("/hello", HELLO), workers=2),
    _asgi("fastapi-2", "FastAPI hello, two workers", FASTAPI, Ask("/hello", MESSAGE_JSON), workers=2),
)

WORKLOADS = (*WSGI_WORKLOADS, *ASGI_WORKLOADS)
