"""Tries one address after the other until one can be bound."""

from __future__ import annotations

import sys
from typing import Any

import hotswap
from tests.apps import plain

SETTINGS: dict[str, Any] = {}
#: the addresses, in this order
ADDRESS: Any = []
BELOW: Any = []

plain.take(BELOW)


def serve() -> str:
    """As users write it."""
    for address in ADDRESS:
        try:
            return hotswap.serve(plain.app, address, **SETTINGS)
        except OSError as error:
            print("the next one, for:", error, flush=True)
    sys.exit("none of them")


if __name__ == "__main__":
    print("serve() returned", serve(), flush=True)
