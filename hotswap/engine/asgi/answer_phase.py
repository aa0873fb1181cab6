"""How far an ASGI answer is."""

from __future__ import annotations

#: Nothing said, its head said and not sent, its head sent, its trailers awaited, all of it said.
WAITING, HEAD, BODY, TRAILERS, COMPLETE = range(5)
