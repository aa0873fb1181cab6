"""Listening sockets that this process got from systemd (socket activation) or from Server::Starter."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Callable, MutableMapping, Sequence
from typing import NamedTuple

from hotswap.errors import AddressError, BindError
from hotswap.system.addresses import ANY_IPV4, Address, keys, parse, tcp_text
from hotswap.system.descriptors import is_datagram, why_not_listening
from hotswap.system.listeners import FIRST_FD, bound_text

_NUMBER = re.compile(r"[0-9]{1,9}")
# A path may have semicolons and equals signs: an item ends at "=NUMBER" before a semicolon or the end.
_STARTER_ITEM = re.compile(r"([^;].*?)=([0-9]{1,9})(?:;|\Z)", re.DOTALL)


class Inherited(NamedTuple):
    """A listening stream socket that was passed to this process.

    name: of LISTEN_FDNAMES ("" if none), or as it was typed for start_server ("8080", "/p.sock").
    bound: its own name, a text that `addresses.parse` takes.
    dual: an IPv6 socket that also takes IPv4 clients.
    """

    fd: int
    name: str
    bound: str
    dual: bool = False


def systemd(environ: MutableMapping[str, str], pid: int) -> list[Inherited]:
    """Return what systemd passed to process `pid` (sd_listen_fds(3)), in order, and unset its variables.

    Every descriptor becomes close-on-exec. Raises BindError for a descriptor that is not a listening stream socket, and
    for a variable that should be a number and is not.
    """
    listen_pid = environ.pop("LISTEN_PID", "")
    listen_fds = environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    environ.pop("LISTEN_PIDFDID", None)
    if not listen_pid or not listen_fds or _number("LISTEN_PID", listen_pid) != pid:
        return []
    count = _number("LISTEN_FDS", listen_fds)
    return [_take(FIRST_FD + index, names[index] if index < len(names) else "", "systemd") for index in range(count)]


def server_starter(environ: MutableMapping[str, str]) -> list[Inherited]:
    """Return what start_server passed in SERVER_STARTER_PORT, in its order, and unset that variable.

    Every descriptor becomes close-on-exec; UDP sockets are left out. Raises BindError for a descriptor that is not a
    listening stream socket, and for a variable that start_server would not write.
    """
    items = _starter_items(environ.pop("SERVER_STARTER_PORT", ""))
    for _, fd in items:
        _close_on_exec(fd)
    return [_take(fd, name, "start_server") for name, fd in items if not is_datagram(fd)]


def match(addresses: Sequence[Address], inherited: Sequence[Inherited], *, given: bool = True) -> dict[str, Inherited]:
    """Return which inherited socket serves which configured address, by the address's key (`addresses.keys`).

    Four rules are tried, each for all addresses before the next: the name that the parent gave the socket (NAME or
    fd://NAME), fd://NUMBER, the bound address, an IPv6 wildcard socket that takes IPv4 too. The result is in the order
    of the addresses; the caller binds those that are not in it. If the user gave no address (`given` is false), all
    inherited sockets are used, in their order, and their keys come from the addresses they are bound to.
    """
    if not given and inherited:
        bound = [parse(item.bound) for item in inherited]
        return dict(zip(keys(bound), inherited, strict=True))
    left = list(inherited)
    wanted = dict(zip(keys(addresses), addresses, strict=True))
    matched: dict[str, Inherited] = {}
    for rule in _RULES:
        for key, address in wanted.items():
            item = next((item for item in left if rule(address, item)), None)
            if key not in matched and item is not None:
                matched[key] = item
                left.remove(item)
    return {key: matched[key] for key in wanted if key in matched}


def _by_name(address: Address, item: Inherited) -> bool:
    if not item.name:
        return False
    return address.fd_name == item.name or address.text in (item.name, _named_address(item.name))


def _by_number(address: Address, item: Inherited) -> bool:
    return address.fd == item.fd


def _by_bound(address: Address, item: Inherited) -> bool:
    host = "127.0.0.1" if address.host == "localhost" else address.host
    return item.bound == (tcp_text(host, address.port) if host else address.text)


def _by_dual_stack(address: Address, item: Inherited) -> bool:
    # systemd's ListenStream=8080 binds [::]:8080 for IPv4 as well, and that is what users mean by :8080.
    return item.dual and address.host == ANY_IPV4 and item.bound == tcp_text("::", address.port)


_RULES: tuple[Callable[[Address, Inherited], bool], ...] = (_by_name, _by_number, _by_bound, _by_dual_stack)


def _named_address(name: str) -> str:
    """Return the canonical text of a name that is an address, such as one typed for --port; else ""."""
    with contextlib.suppress(AddressError):
        if name.startswith("/"):
            return parse(f"unix:{name}").text
        return parse(f":{name}" if name.isdigit() else name).text
    return ""


def _starter_items(text: str) -> list[tuple[str, int]]:
    items = [(found[1], int(found[2])) for found in _STARTER_ITEM.finditer(text)]
    if ";".join(f"{name}={fd}" for name, fd in items) != text:
        raise BindError(f"SERVER_STARTER_PORT={text!r} is not as start_server writes it: NAME=FD;NAME=FD")
    return items


def _number(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise BindError(f"{name}={text!r} is not a number: unset it, or let systemd set it")
    return int(text)


def _close_on_exec(fd: int) -> None:
    with contextlib.suppress(OSError):  # of a descriptor that is not open, _take says so
        os.set_inheritable(fd, False)


def _take(fd: int, name: str, giver: str) -> Inherited:
    _close_on_exec(fd)
    fault = why_not_listening(fd)
    if fault:
        named = f" ({name})" if name else ""
        sentence = f"file descriptor {fd}{named}, passed by {giver}, {fault}"
        raise BindError(f"{sentence}: pass only listening stream sockets")
    sock = socket.socket(fileno=fd)
    try:
        return Inherited(fd, name, bound_text(sock), _is_dual(sock))
    finally:
        sock.detach()


def _is_dual(sock: socket.socket) -> bool:
    return sock.family == socket.AF_INET6 and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
