"""The clients of a proxy, less hasty than elsewhere: the folder's tests want restarts, not requests."""

from __future__ import annotations

from tests.traffic import Traffic

CLIENTS = {"keep-alive": 4, "one-shot": 2, "uploader": 1, "slow-reader": 1}
PAUSES = {"keep-alive": 0.02, "one-shot": 0.04, "uploader": 0.2, "slow-reader": 0.2}


def load(address: str) -> Traffic:
    """Clients of four kinds at that address, about two hundred requests a second."""
    return Traffic(address, CLIENTS, seconds=100, pauses=PAUSES)
