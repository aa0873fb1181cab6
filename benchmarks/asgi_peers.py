"""The servers that call an application by ASGI, each on uvloop where it can, with one process that serves, or two.

As those for WSGI: the settings that the documentation recommends, the same for every workload.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.peer import Peer
from benchmarks.workloads import ASGI

_APP = "{app}:application"
_HOTSWAP = "python -m hotswap run --bind {address} --loop"
_UVICORN = (
    "uvicorn --host {host} --port {port} --loop uvloop --http httptools --backlog 2048 --timeout-keep-alive 75"
    " --no-access-log --log-level warning"
)
_GRANIAN = (
    "granian --host {host} --port {port} --interface asgi --http 1 --ws --loop uvloop --log-level warning"
    " --backlog 2048"
)
_HYPERCORN = (
    "hypercorn --config python:benchmarks.hypercorn_config --bind {address} --worker-class uvloop --keep-alive 75"
    " --backlog 2048"
)
_GUNICORN = (
    "gunicorn --bind {address} --worker-class asgi --asgi-loop uvloop --keep-alive 75 --http-parser fast --backlog 2048"
)
_PEREGRINE = "peregrine --host {host} --port {port} --protocol asgi --keep-alive 75000 --log-level warning"

HOTSWAP_ASGI = "hotswap-uvloop"
"""The peer that stands for hotswap with ASGI: those that it is compared with run on uvloop."""

_PEERS = (
    Peer(
        HOTSWAP_ASGI,
        "hotswap",
        f"{_HOTSWAP} uvloop {_APP}",
        "as installed, where uvloop is",
        pair=f"{_HOTSWAP} uvloop --workers 2 {_APP}",
    ),
    Peer(
        "hotswap-asyncio",
        "hotswap",
        f"{_HOTSWAP} asyncio {_APP}",
        "as installed, where uvloop is not",
        pair=f"{_HOTSWAP} asyncio --workers 2 {_APP}",
    ),
    Peer(
        "uvicorn",
        "uvicorn",
        f"{_UVICORN} {_APP}",
        "with uvloop and httptools, as its documentation recommends",
        pair=f"{_UVICORN} --workers 2 {_APP}",
    ),
    Peer(
        "granian-asgi",
        "granian",
        f"{_GRANIAN} --workers 1 {_APP}",
        "its documentation: leave the threads alone",
        pair=f"{_GRANIAN} --workers 2 {_APP}",
    ),
    Peer(
        "hypercorn",
        "hypercorn",
        f"{_HYPERCORN} --workers 1 {_APP}",
        "with uvloop; as installed it closes a connection after a thousand requests, so its configuration forbids that",
        pair=f"{_HYPERCORN} --workers 2 {_APP}",
    ),
    Peer(
        "gunicorn-asgi",
        "gunicorn",
        f"{_GUNICORN} --http-parser fast {_APP}",
        "its own worker for ASGI, with uvloop and its C parser, with which it closes some connections during uploads",
        pair=f"{_GUNICORN} --workers 2 --http-parser fast {_APP}",
    ),
    Peer(
        "gunicorn-asgi-python",
        "gunicorn",
        f"{_GUNICORN} --http-parser python {_APP}",
        "without its C parser",
        usual=False,
    ),
    Peer(
        "peregrine-asgi",
        "peregrine-server",
        f"{_PEREGRINE} --workers 1 {_APP}",
        "as installed; it takes uvloop where that is",
        pair=f"{_PEREGRINE} --workers 2 {_APP}",
        needs="Linux and Python 3.11 or later",
    ),
    Peer(
        "fastpysgi-asgi",
        "fastpysgi",
        f"fastpysgi --host {{host}} --port {{port}} {_APP}",
        "its command has no settings; version 0.6 stops a stream after its first chunk",
        usual=False,
        websockets=False,
        needs="x86-64 or a C compiler",
    ),
)

ASGI_PEERS = tuple(replace(peer, interface=ASGI) for peer in _PEERS)
