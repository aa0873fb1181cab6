"""The servers that call an application by WSGI, each with the settings that its documentation recommends: one process
that serves, or two.

Settings are the same for every workload: no operator sets a server up anew for each page. They must serve 64 clients
that block, or most of the workloads would measure nothing but a limit. Where documentation leaves a choice, several
were tried; those that are not in the usual run can still be asked for by name.
"""

from __future__ import annotations

from benchmarks.peer import HOTSWAP, Peer
from benchmarks.workloads import RAW

_HOTSWAP = "python -m hotswap run --bind {address}"
_GUNICORN = "gunicorn --bind {address} --worker-class gthread --keep-alive 75"
_GRANIAN = "granian --host {host} --port {port} --interface wsgi --http 1 --no-ws --log-level warning --backlog 2048"
_WAITRESS = "waitress-serve --listen {address}"
_UWSGI = (
    "pyuwsgi --strict --need-app --die-on-term --single-interpreter --enable-threads --disable-logging"
    " --master --processes 1 --listen 1024 --module {app}:application"
)
_APP = "{app}:application"
_PEREGRINE = "peregrine --host {host} --port {port} --keep-alive 75000 --log-level warning"
_PEREGRINE_NEEDS = "Linux and Python 3.11 or later"

WSGI_PEERS = (
    Peer(
        HOTSWAP,
        "hotswap",
        f"{_HOTSWAP} {_APP}",
        "as installed: up to 64 threads",
        pair=f"{_HOTSWAP} --workers 2 {_APP}",
        log="--access-logfile access.log",
    ),
    Peer(
        "gunicorn",
        "gunicorn",
        f"{_GUNICORN} --threads 64 --http-parser fast {_APP}",
        "its C parser; as many threads as there are clients, which costs it nothing on hello",
        pair=f"{_GUNICORN} --workers 2 --threads 64 --http-parser fast {_APP}",
        log="--access-logfile access.log",
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
        log="--access-log",
    ),
    Peer(
        "granian-1",
        "granian",
        f"{_GRANIAN} --workers 1 --blocking-threads 1 {_APP}",
        "its documentation: very few threads are faster if every answer takes about a millisecond",
        pair=f"{_GRANIAN} --workers 2 --blocking-threads 1 {_APP}",
        side_by_side=False,
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
    Peer("cheroot-10", "cheroot", "python -m benchmarks.launch {address} {app} 10", "its 10 threads", usual=False),
    Peer(
        "fastpysgi",
        "fastpysgi",
        f"fastpysgi --host {{host}} --port {{port}} {_APP}",
        "all C; its command has no settings for threads or workers",
        side_by_side=False,
        needs="x86-64 or a C compiler",
    ),
    Peer(
        "peregrine",
        "peregrine-server",
        f"{_PEREGRINE} --protocol wsgi --workers 1 --wsgi-threads 64 {_APP}",
        "as many threads as there are clients",
        pair=f"{_PEREGRINE} --protocol wsgi --workers 2 --wsgi-threads 64 {_APP}",
        log="--access-log",
        needs=_PEREGRINE_NEEDS,
    ),
    Peer(
        "peregrine-1",
        "peregrine-server",
        f"{_PEREGRINE} --protocol wsgi --workers 1 {_APP}",
        "as installed: one thread",
        pair=f"{_PEREGRINE} --protocol wsgi --workers 2 {_APP}",
        side_by_side=False,
        needs=_PEREGRINE_NEEDS,
    ),
    Peer(
        "uvicorn-2",
        "uvicorn",
        "",
        "with uvloop and httptools, as its documentation recommends; it is asked for the same by ASGI, having no WSGI",
        pair="uvicorn --host {host} --port {port} --workers 2 --loop uvloop --http httptools --backlog 2048"
        " --timeout-keep-alive 75 --no-access-log --log-level warning {app}_asgi:application",
        apps=(RAW,),
    ),
    Peer(
        "fastwsgi",
        "fastwsgi",
        f"fastwsgi --host {{host}} --port {{port}} {_APP}",
        "all C, one thread, abandoned: fastpysgi has come after it",
        maintained=False,
        usual=False,
        side_by_side=False,
    ),
)
