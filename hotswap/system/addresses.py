"""Addresses as users write them. Parsing does not touch the network, so a wrong address is refused at once.

The canonical text of an address is also the name by which its listener is known across generations (`keys`).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hotswap.errors import AddressError

DEFAULT_PORT = 5000
ANY_IPV4 = "0.0.0.0"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_FD_NAME = re.compile(r"[A-Za-z0-9_.@][A-Za-z0-9_.@+-]{0,254}")
# int() would also take "1_0", "+1" and digits of other scripts.
_DIGITS = re.compile(r"[0-9]{1,9}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Address(NamedTuple):
    """One place to listen at.

    text: canonical, as `parse` takes it back: "127.0.0.1:4242", "[::1]:80", "unix:/x.sock", "unix:@x", "fd://3".
    family: AF_INET, AF_INET6, AF_UNIX; AF_UNSPEC for fd:// and host names, where only the bound socket tells.
    host, port: of a TCP address, else "" and 0; host is without brackets, port 0 lets the kernel choose.
    path: of a unix address, else ""; an abstract name begins with "@".
    fd: of fd://N, else None.
    fd_name: of fd://NAME, a descriptor passed under that name (systemd's LISTEN_FDNAMES), else "".
    """

    text: str
    family: int
    host: str = ""
    port: int = 0
    path: str = ""
    fd: int | None = None
    fd_name: str = ""


def parse(text: str) -> Address:
    """Return the address that `text` means; raise AddressError with a sentence that says what to write."""
    if not isinstance(text, str):
        raise AddressError(_not_text(text))
    stripped = text.strip()
    if not stripped:
        raise AddressError(f"an address is empty: write host:port, as in 127.0.0.1:{DEFAULT_PORT}")
    if _CONTROL.search(stripped):
        raise AddressError(f"address {stripped!r} has a control character in it: remove it")
    if stripped.startswith("unix:"):
        return _parse_unix(stripped)
    scheme = _SCHEME.fullmatch(stripped)
    if scheme is None:
        return _parse_tcp(stripped, stripped)
    return _parse_with_scheme(stripped, scheme.group(1).lower(), scheme.group(2))


def parse_all(spec: str | Sequence[str]) -> list[Address]:
    """Return the addresses of one text (commas separate, as in gunicorn's `bind`) or of a sequence of texts.

    Raises AddressError also for no address at all, and for one given twice. An address with port 0 may be given twice:
    the kernel chooses another port for each.
    """
    texts = _texts(spec)
    if not texts:
        raise AddressError(f"no address to listen at: write host:port, as in 127.0.0.1:{DEFAULT_PORT}")
    addresses = [parse(text) for text in texts]
    seen: set[str] = set()
    for address in addresses:
        if address.text in seen and not _repeatable(address):
            raise AddressError(f"address {address.text} is given twice: remove one of the two")
        seen.add(address.text)
    return addresses


def keys(addresses: Iterable[Address]) -> list[str]:
    """Return each listener's name across generations: its address's text, with "#2", "#3" … when that is repeated."""
    counts: dict[str, int] = {}
    names = []
    for address in addresses:
        count = counts[address.text] = counts.get(address.text, 0) + 1
        names.append(address.text if count == 1 else f"{address.text}#{count}")
    return names


def tcp_text(host: str, port: int) -> str:
    """Return the canonical text of a numeric or named host and a port: IPv6 goes into brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _texts(spec: object) -> list[str]:
    if isinstance(spec, str):
        return [part for part in spec.split(",") if part.strip()]
    if isinstance(spec, Sequence) and not isinstance(spec, bytes):
        return list(spec)
    raise AddressError(_not_text(spec))


def _not_text(value: object) -> str:
    example = f":{value}" if isinstance(value, int) else f"127.0.0.1:{DEFAULT_PORT}"
    return f"{value!r} is not an address: write a text, as in {example!r}"


def _repeatable(address: Address) -> bool:
    return bool(address.host) and address.port == 0


def _parse_with_scheme(text: str, scheme: str, rest: str) -> Address:
    if scheme == "fd":
        return _parse_fd(text, rest)
    if scheme == "tcp":
        return _parse_tcp(text, rest)
    remedy = rest.split("/", 1)[0] or f"127.0.0.1:{DEFAULT_PORT}"
    raise AddressError(f"address {text!r} is a URL: write only {remedy}")


def _parse_fd(text: str, rest: str) -> Address:
    if _DIGITS.fullmatch(rest):
        return Address(f"fd://{int(rest)}", socket.AF_UNSPEC, fd=int(rest))
    # A name of digits only would be a number too large for a descriptor.
    if _FD_NAME.fullmatch(rest) and not rest.isdigit():
        return Address(f"fd://{rest}", socket.AF_UNSPEC, fd_name=rest)
    raise AddressError(f"address {text!r} names no file descriptor: write fd:// and a number, as in fd://3")


def _parse_unix(text: str) -> Address:
    path = text.removeprefix("unix:").removeprefix("//")
    if path.startswith("//"):
        path = "/" + path.lstrip("/")  # the same path to Linux; "unix://…" in our texts would read like a URL
    if path in ("", "@"):
        raise AddressError(f"address {text!r} has no path: write unix:/path/to/socket or unix:@name")
    if path.endswith("/") and not path.startswith("@"):
        raise AddressError(f"address {text!r} is a directory: add a file name, as in {text}app.sock")
    return Address(f"unix:{path}", socket.AF_UNIX, path=path)


def _parse_tcp(text: str, rest: str) -> Address:
    if _DIGITS.fullmatch(rest):
        raise AddressError(f"address {text!r} is only a number: write :{rest} or 127.0.0.1:{rest}")
    if "/" in rest:
        raise AddressError(f"address {text!r} is a path: write unix: before it to listen on a unix socket")
    if rest.startswith("["):
        return _parse_bracketed(text, rest)
    if rest.count(":") > 1:
        raise AddressError(_unbracketed(text, rest))
    host, colon, port = rest.partition(":")
    number = _port(text, port) if colon else DEFAULT_PORT
    if not host:
        return Address(tcp_text(ANY_IPV4, number), socket.AF_INET, host=ANY_IPV4, port=number)
    return _parse_ipv4_or_name(text, host.lower(), number)


def _parse_bracketed(text: str, rest: str) -> Address:
    inside, closed, after = rest[1:].partition("]")
    literal, percent, zone = inside.partition("%")
    packed = _packed(socket.AF_INET6, literal)
    if not closed or packed is None or (after and not after.startswith(":")) or (percent and not zone):
        raise AddressError(f"address {text!r} has no IPv6 address in its brackets: write it as in [::1]:80")
    host = socket.inet_ntop(socket.AF_INET6, packed) + percent + zone
    port = _port(text, after[1:]) if after else DEFAULT_PORT
    return Address(tcp_text(host, port), socket.AF_INET6, host=host, port=port)


def _parse_ipv4_or_name(text: str, host: str, port: int) -> Address:
    if _packed(socket.AF_INET, host) is not None or host == "localhost":
        return Address(tcp_text(host, port), socket.AF_INET, host=host, port=port)
    # inet_aton's short and odd forms ("127.1", "0x7f.1") would bind an address that the reader does not expect.
    if re.fullmatch(r"[0-9.]+|0x[0-9a-f.x]*", host):
        raise AddressError(f"address {text!r} has no IPv4 address: {host!r} is not four numbers from 0 to 255")
    if host == "*":
        raise AddressError(f"address {text!r} has no host name in it: write :{port} for every IPv4 address")
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise AddressError(f"address {text!r} has no host name in it: {host!r} is not one")
    return Address(tcp_text(host, port), socket.AF_UNSPEC, host=host, port=port)


def _port(text: str, port: str) -> int:
    if not _DIGITS.fullmatch(port) or int(port) > 65535:
        raise AddressError(f"address {text!r} has no port: {port!r} is not a number from 0 to 65535")
    return int(port)


def _unbracketed(text: str, rest: str) -> str:
    if _packed(socket.AF_INET6, rest) is not None:
        return f"address {text!r} is an IPv6 address without brackets: write [{rest}]:{DEFAULT_PORT}"
    return f"address {text!r} has more than one colon: write host:port, or [address]:port for IPv6"


def _packed(family: int, literal: str) -> bytes | None:
    try:
        return socket.inet_pton(family, literal)
    except (OSError, ValueError):
        return None
