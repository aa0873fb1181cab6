"""The predecessor as its successor sees it: somebody to report to, and to end with SIGTERM once we serve."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sys
import time
from types import TracebackType
from typing import Any

from hotswap.system import hangs

#: More of a traceback than this says nothing more; the predecessor keeps as much of standard error.
ERROR_LIMIT = 16 * 1024
#: How many files of a failed start are named.
FILES_LIMIT = 200


class Predecessor:
    """A handle on the process that started us.

    `pid` is whom the handoff names. If that is not our parent any more, it has died while we booted: then nobody is
    signalled, whoever may have that pid now.
    """

    def __init__(self, pid: int, ready_fd: int) -> None:
        self.pid = pid
        self.excepthook: tuple[Any, Any] | None = None
        self._began = time.monotonic()
        self._ready_fd = ready_fd
        self._pidfd = self._open_pidfd()

    def _open_pidfd(self) -> int:
        """A descriptor on the very process: first the pidfd, then the look at who our parent is, because the pid may
        be given to somebody else between the two, but a parent's pid is not while it is our parent."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except OSError:
            return -1
        if os.getppid() != self.pid:
            os.close(pidfd)
            return -1
        return pidfd

    @property
    def lives(self) -> bool:
        """Whether our parent is still the process that started us."""
        return self._pidfd >= 0 and os.getppid() == self.pid

    def stage(self, name: str) -> None:
        """Tell what is being done now; shown by `hotswap restart`."""
        self._send({"stage": name})

    def failed(self, text: str) -> bool:
        """Tell why we cannot become ready, the exit follows; whether somebody is there to hear it."""
        self._send({"files": _own_files()})
        return self._send({"error": text[-ERROR_LIMIT:]}) and self.lives

    def failed_with(self, kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> bool:
        """As `failed`, with a traceback; KeyboardInterrupt and SystemExit are somebody's decision, not an error."""
        if not issubclass(kind, Exception):
            return False
        # Imported here: 3 ms that only a failing start has to pay.
        import traceback

        return self.failed("".join(traceback.format_exception(kind, value, trace)))

    def ready(self, **facts: object) -> None:
        """Say that we accept and answer; the last message on this pipe. The hook on uncaught exceptions goes."""
        hangs.stop()
        self._send({"ready": facts})
        self._close_pipe()

    def retire(self) -> bool:
        """Send SIGTERM to the predecessor; False if it is not there any more."""
        if not self.lives:
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
            return True
        return False

    def succeed(self, **facts: object) -> bool:
        """`ready`, `retire` and `close`; False if the predecessor was not there any more, and nobody heard of us."""
        self.ready(**facts)
        there = self.retire()
        self.close()
        return there

    def watch_for_hang(self, boot_timeout: float) -> None:
        """Have the stack of every thread written to the ready pipe shortly before the predecessor gives up."""
        if boot_timeout > 0 and self._ready_fd >= 0:
            # A forked worker asks again, late in the boot: the predecessor's patience began with ours.
            hangs.watch(boot_timeout * 0.8 - (time.monotonic() - self._began), self._ready_fd)

    def close(self) -> None:
        """Give back every descriptor and the exception hook; safe to call twice."""
        hangs.stop()
        self._close_pipe()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _close_pipe(self) -> None:
        if self.excepthook is not None and sys.excepthook is self.excepthook[0]:
            sys.excepthook = self.excepthook[1]
        self.excepthook = None
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
            self._ready_fd = -1

    def _send(self, message: dict[str, object]) -> bool:
        """One line of JSON. A predecessor that is gone or does not read must not keep us from serving."""
        if self._ready_fd < 0:
            return False
        line = json.dumps(message).encode() + b"\n"
        try:
            os.set_blocking(self._ready_fd, False)
            return os.write(self._ready_fd, line) == len(line)
        except OSError:
            return False


def _own_files() -> list[str]:
    """The files of the program's own modules, for a predecessor that watches files: one of them has to be mended.

    Bounded, because the pipe must have room for the error that follows.
    """
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    own = (file for file in files if isinstance(file, str) and not file.startswith(os.path.dirname(os.__file__)))
    return list(itertools.islice((file for file in own if "-packages/" not in file), FILES_LIMIT))
