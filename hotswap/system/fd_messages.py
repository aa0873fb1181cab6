"""JSON messages that carry descriptors, over a SOCK_SEQPACKET socket: each is there whole, or not at all (unix(7))."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MESSAGE_MAX = 192 * 1024
# As many descriptors as any message can carry (unix(7)): where there is room for fewer, the kernel closes the rest.
_FDS_MAX = 253


def send(sock: socket.socket, facts: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
    """Send one message; the descriptors stay open here. Raises OSError: BlockingIOError if there is no room now."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    # An escape takes up to three times the bytes of the letter; half a surrogate pair has no other form.
    payload = json.dumps(facts, ensure_ascii=False).encode("utf-8", "backslashreplace")
    sock.sendmsg([payload], rights, socket.MSG_NOSIGNAL)


def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next message with its descriptors, which are the caller's and close-on-exec; None at the end.

    Raises BlockingIOError if there is none now, on a socket that does not block.
    """
    room = socket.CMSG_SPACE(_FDS_MAX * array.array("i").itemsize)
    try:
        payload, ancillary, _, _ = sock.recvmsg(_MESSAGE_MAX, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        # The other process went, and left messages of ours unread.
        return None
    return (json.loads(payload), _descriptors(ancillary)) if payload else None


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return fds.tolist()


def close_all(fds: Iterable[int]) -> None:
    """Close descriptors that came with a message; one that is closed already is no error."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
