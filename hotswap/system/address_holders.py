"""Finds in /proc which process holds an address or a socket.

Every answer is a best guess: another user's descriptors cannot be read, and the holder may have ended meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from hotswap.system.addresses import tcp_text

_TCP_LISTEN = "0A"  # the state in /proc/net/tcp (Linux, include/net/tcp_states.h)
_UNIX_LISTENS = 0x10000  # the flag in /proc/net/unix, __SO_ACCEPTCON
_IPV4_MAPPED = bytes(10) + b"\xff\xff"
_COMMAND_SHOWN = 60


class Holder(NamedTuple):
    """A process that listens at an address; `str()` is `pid 77 "python app.py"`.

    bound: the address of its socket, which is not always the one that the caller asked about.
    """

    pid: int
    command: str
    is_hotswap: bool
    bound: str

    def __str__(self) -> str:
        return f'pid {self.pid} "{self.command}"' if self.command else f"pid {self.pid}"


def has_any(pid: int, sockets: Iterable[int]) -> bool:
    """Whether process `pid` also has one of `sockets`, descriptors of this process, open; False if /proc hides that."""
    return not _links(pid).isdisjoint(f"socket:[{os.fstat(fd).st_ino}]" for fd in sockets)


def of_tcp(family: int, host: str, port: int) -> Holder | None:
    """Return the process that listens at host:port, or at an address that collides with it; None if none is found."""
    wanted = socket.inet_pton(family, host.partition("%")[0])
    listening = {inode: packed for packed, inode in _tcp_listening(port) if _collide(wanted, packed)}
    return _of_inodes({inode: _tcp_text(packed, port) for inode, packed in listening.items()})


def of_unix(path: str) -> Holder | None:
    """Return the process that listens at an absolute path or an abstract name ("@name"); None if none is found."""
    if not path.startswith(("/", "@")):
        return None  # the table shows a relative path as it was bound, and not the directory it is relative to
    return _of_inodes(dict.fromkeys(_unix_listening(path), f"unix:{path}"))


def _of_inodes(bound: Mapping[str, str]) -> Holder | None:
    """Return the first process that has one of the sockets; `bound` maps a socket's inode to its address."""
    sockets = {f"socket:[{inode}]": text for inode, text in bound.items()}
    for pid in _pids() if sockets else ():
        for link in _links(pid) & sockets.keys():
            return _holder(pid, sockets[link])
    return None


def _holder(pid: int, bound: str) -> Holder:
    command = _command(pid)
    # A server is known by its title once it serves, and before that by the descriptor of its scoreboard.
    is_hotswap = command.startswith("hotswap:") or any(map(_is_scoreboard, _links(pid)))
    shown = command if len(command) <= _COMMAND_SHOWN else command[: _COMMAND_SHOWN - 1] + "…"
    return Holder(pid, shown, is_hotswap, bound)


def _is_scoreboard(link: str) -> bool:
    return link.endswith(".board") or link.startswith("/memfd:hotswap")


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            text = os.fsdecode(file.read(4096).rstrip(b"\0").replace(b"\0", b" ")).strip()
        return "".join(char if char.isprintable() and char != '"' else "?" for char in text)
    return ""


def _tcp_listening(port: int) -> Iterator[tuple[bytes, str]]:
    """Yield packed address and inode of each socket that listens on `port` (Linux, proc_net_tcp.rst)."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _lines(table):
            fields = line.split()
            if len(fields) > 9 and fields[3] == _TCP_LISTEN and fields[1].endswith(f":{port:04X}"):
                yield _packed(fields[1].partition(":")[0]), fields[9]


def _unix_listening(path: str) -> set[str]:
    inodes = set()
    for line in _lines("/proc/net/unix"):
        # Num RefCount Protocol Flags Type St Inode Path: the inode is padded, the path may have blanks in it.
        fields = line.rstrip("\n").split(maxsplit=7)
        if len(fields) == 8 and fields[7] == path and int(fields[3], 16) & _UNIX_LISTENS:
            inodes.add(fields[6])
    return inodes


def _lines(table: str) -> Iterator[str]:
    with contextlib.suppress(OSError), open(table, encoding="utf-8", errors="surrogateescape") as file:
        yield from file


def _packed(text: str) -> bytes:
    # The kernel prints an address as 32-bit words in the machine's byte order.
    words = (text[start : start + 8] for start in range(0, len(text), 8))
    return b"".join(struct.pack("=I", int(word, 16)) for word in words).removeprefix(_IPV4_MAPPED)


def _tcp_text(packed: bytes, port: int) -> str:
    family = socket.AF_INET6 if len(packed) == 16 else socket.AF_INET
    return tcp_text(socket.inet_ntop(family, packed), port)


def _collide(one: bytes, other: bytes) -> bool:
    if len(one) == len(other):
        return one == other or not any(one) or not any(other)
    # Across the families only the IPv6 wildcard collides, unless IPV6_V6ONLY is set, which the table does not show.
    return not any(one if len(one) > len(other) else other)


def _pids() -> list[int]:
    # This process first: its parent also holds what it inherited, and users would be told to stop their own server.
    others = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return [os.getpid(), *others]


def _links(pid: int) -> set[str]:
    links = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                links.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return links
