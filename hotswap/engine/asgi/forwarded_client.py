"""Who the client is behind trusted proxies, by X-Forwarded-For as uvicorn's `--proxy-headers` reads it."""

from __future__ import annotations

from collections.abc import Callable

Client = tuple[str, int]


def forwarded_client(field: str, is_trusted: Callable[[str], bool], *, trusts_all: bool) -> Client | None:
    """The last host in the list that is no trusted proxy, which nobody behind a trusted one can make up.

    Where all are trusted it is the first. The port is 0 where none is given, and None is returned for an empty field.
    What is no address ("unknown") is returned as it stands.
    """
    hops = [hop.strip() for hop in field.split(",")]
    found = host_and_port(hops[0])
    if not trusts_all:
        found = next((hop for hop in map(host_and_port, reversed(hops)) if not is_trusted(hop[0])), found)
    return found if found[0] else None


def host_and_port(text: str) -> Client:
    """`1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]` or `[::1]:5`; anything else is a host without a port."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return text, 0
        return host, _port(rest[1:])
    host, colon, port = text.partition(":")
    if colon and ":" not in port and _port(port):
        return host, _port(port)
    return text, 0


def _port(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
