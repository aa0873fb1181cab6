"""The last moments of a TCP listener: no handshake begins any more, and what has been let in can be accepted.

The kernel resets connections that wait in the accept queue when the last copy of their listener is closed, so between
the last look at the queue and the close(2) no connection may get in. listen(2) with a smaller backlog leaves room for
one. A socket filter (SO_ATTACH_FILTER, socket(7)) leaves none: it drops the first segment of a handshake, whose sender
tries again after a second, and is refused then, or accepted by the next server at this address.
"""

from __future__ import annotations

import array
import contextlib
import socket
import struct

# <asm-generic/socket.h>; Python's module socket has no name for it.
_SO_ATTACH_FILTER = 26
# struct sock_filter and struct sock_fprog of <linux/filter.h>.
_INSTRUCTION = struct.Struct("=HBBI")
_PROGRAM = struct.Struct("@HP")
_LOAD_BYTE, _AND, _SKIP_UNLESS_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
# The filter of a TCP socket sees a segment from its TCP header on; byte 13 has the flags (RFC 9293, section 3.1).
_FLAGS, _SYN, _ACK = 13, 0x02, 0x10
_DROP, _PASS = 0, 0xFFFFFFFF
# Not the last segment of a handshake under way: its sender takes itself for connected, and would be reset.
_NO_SYN = array.array(
    "B",
    b"".join(
        _INSTRUCTION.pack(*step)
        for step in (
            (_LOAD_BYTE, 0, 0, _FLAGS),
            (_AND, 0, 0, _SYN | _ACK),
            (_SKIP_UNLESS_EQUAL, 0, 1, _SYN),
            (_RETURN, 0, 0, _DROP),
            (_RETURN, 0, 0, _PASS),
        )
    ),
)


def admit_no_more(sock: socket.socket) -> None:
    """Let no handshake begin at this listener, in any process that has it, until it is closed: there is no way back.

    A unix socket stays as it is, because the kernel has no filter for its clients. So does one that is closed already,
    and one on a system that does not let us: then clients can be reset as ever.
    """
    if sock.family != socket.AF_UNIX:
        address, size = _NO_SYN.buffer_info()
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _PROGRAM.pack(size // _INSTRUCTION.size, address))
