"""systemd's end of NOTIFY_SOCKET, which also knows which process speaks: with NotifyAccess=main only one counts."""

from __future__ import annotations

import os
import select
import socket
import struct
from dataclasses import dataclass

from tests.eventually import DEADLINE

MORE_TIME = "EXTEND_TIMEOUT_USEC"
_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid (unix(7))


@dataclass(frozen=True)
class Said:
    """One datagram: the process that sent it, and its assignments."""

    pid: int
    fields: dict[str, str]

    @property
    def names(self) -> list[str]:
        """What is said, without the values."""
        return list(self.fields)

    @property
    def status(self) -> str:
        """The line that `systemctl status` would show."""
        return self.fields.get("STATUS", "")


class NotifySocket:
    """Listens at a path, or at `@name` in the abstract namespace; a context manager."""

    def __init__(self, address: str) -> None:
        self.environ = {"NOTIFY_SOCKET": address}
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._sock.settimeout(DEADLINE)
        self._sock.bind(b"\0" + os.fsencode(address[1:]) if address.startswith("@") else address)

    def __enter__(self) -> NotifySocket:
        return self

    def __exit__(self, *exception: object) -> None:
        self._sock.close()

    def next(self) -> Said:
        """The next datagram, but for those that only ask for more time; TimeoutError if none comes."""
        while (said := self.receive()).names == [MORE_TIME]:
            pass
        return said

    def receive(self) -> Said:
        """The next datagram, whatever it says; TimeoutError if none comes."""
        data, control, _, _ = self._sock.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
        ((_, kind, credentials),) = control
        assert kind == socket.SCM_CREDENTIALS
        lines = data.decode().split("\n")
        return Said(_CREDENTIALS.unpack(credentials)[0], dict(line.split("=", 1) for line in lines))

    def receive_now(self) -> Said | None:
        """The next datagram if there is one already."""
        return self.receive() if select.select([self._sock], [], [], 0)[0] else None

    def silent(self) -> bool:
        """Whether nothing more has been said until now, but that more time is needed."""
        while (said := self.receive_now()) is not None:
            if said.names != [MORE_TIME]:
                return False
        return True
