"""All the servers that are measured."""

from __future__ import annotations

from benchmarks.asgi_peers import ASGI_PEERS, HOTSWAP_ASGI
from benchmarks.peer import HOTSWAP
from benchmarks.workloads import ASGI, WSGI
from benchmarks.wsgi_peers import WSGI_PEERS

PEERS = (*WSGI_PEERS, *ASGI_PEERS)

OURS = {WSGI: HOTSWAP, ASGI: HOTSWAP_ASGI}
"""By interface: the peer that is held against the targets."""
