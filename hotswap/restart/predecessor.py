"""The predecessor as its successor sees it: the process to report to, and to end with SIGTERM once this one serves."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import time
from types import TracebackType
from typing import Any

from hotswap.errors import BootError
from hotswap.restart.ready_lines import error_lines, files_lines, line
from hotswap.system import hang_report
from hotswap.system.fork_guard import no_fork, withhold

#: How many files of a failed start are named.
FILES_LIMIT = 200


class Predecessor:
    """A handle on the process that started us.

    `pid` is the one in the handoff. If it is not our parent's any more, the predecessor has died while we booted: then
    no signal is sent, whichever process has that pid now.
    """

    def __init__(self, pid: int, ready_fd: int, began: float = 0.0) -> None:
        self.pid = pid
        self.excepthook: tuple[Any, Any] | None = None
        #: when its patience began (time.monotonic)
        self._began = began or time.monotonic()
        self._ready_fd = ready_fd
        self._pidfd = self._open_pidfd()
        # A child that raises in our frames must not report a failure of ours.
        withhold(lambda: (self._ready_fd, self._pidfd))

    def _open_pidfd(self) -> int:
        """A descriptor on the very process: first the pidfd, then the look at our parent's pid, because the
        kernel may give a pid to another process between the two, but not a parent's while it is our parent."""
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
        self._write(line({"stage": name}))

    def failed(self, text: str, *, printed_more: bool = False) -> bool:
        """Tell why this process cannot become ready; its exit follows. Returns whether a predecessor reads it.

        printed_more: what was printed to standard error says more of it, and is to be shown, too.
        """
        # A full pipe ends it, because nothing is waited for: so what says most comes first.
        told = (*error_lines(text), line({"printed_more": printed_more}), *files_lines(_own_files()))
        written = list(itertools.takewhile(self._write, told))
        return bool(written) and self.lives

    def failed_with(self, kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> bool:
        """As `failed`, with a traceback; KeyboardInterrupt and SystemExit are decisions, not errors."""
        if not issubclass(kind, Exception):
            return False
        # Imported here: 3 ms that only a failing start has to pay.
        from hotswap.own_frames import text_of

        # A worker that has ended, a failed check, and a command of the program's have told more of it than this
        # process. By its name, because only such a program has imported subprocess.
        printed_more = issubclass(kind, BootError) or kind.__name__ == "CalledProcessError"
        return self.failed(text_of(value.with_traceback(trace)), printed_more=printed_more)

    def ready(self, **facts: object) -> bool:
        """Say that we accept and answer; the last message on this pipe. The hook on uncaught exceptions goes.

        False if the pipe had no room for it, or has no reader.
        """
        hang_report.stop()
        written = self._write(line({"ready": facts}))
        self._close_pipe()
        return written

    def retire(self) -> bool:
        """Send SIGTERM to the predecessor; False if it is not there any more."""
        if not self.lives:
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
            return True
        return False

    def succeed(self, **facts: object) -> bool:
        """`ready`, `retire` and `close`; False if the predecessor was not there any more to hear it.

        Where `ready` was not written there is no SIGTERM: the predecessor would take it for the operator's, which stops
        both.
        """
        there = self.ready(**facts) and self.retire()
        self.close()
        return there

    def watch_for_hang(self, boot_timeout: float) -> None:
        """Have the stack of every thread written to the ready pipe shortly before the predecessor gives up."""
        if boot_timeout > 0 and self._ready_fd >= 0:
            # A forked worker asks again, late in the boot, and on a busy machine this is late already.
            hang_report.watch(boot_timeout * 0.8 - (time.monotonic() - self._began), self._ready_fd)

    def close(self) -> None:
        """Give back every descriptor and the exception hook; safe to call twice."""
        hang_report.stop()
        self._close_pipe()
        with no_fork():
            if self._pidfd >= 0:
                os.close(self._pidfd)
                self._pidfd = -1

    def _close_pipe(self) -> None:
        if self.excepthook is not None and sys.excepthook is self.excepthook[0]:
            sys.excepthook = self.excepthook[1]
        self.excepthook = None
        with no_fork():
            if self._ready_fd >= 0:
                os.close(self._ready_fd)
                self._ready_fd = -1

    def _write(self, data: bytes) -> bool:
        """Whether it was written whole. A predecessor that is gone or does not read must not keep us from serving."""
        if self._ready_fd < 0:
            return False
        try:
            os.set_blocking(self._ready_fd, False)
            return os.write(self._ready_fd, data) == len(data)
        except OSError:
            return False


def _own_files() -> list[str]:
    """The files of the program's own modules, for a predecessor that watches files: one of them has to be mended."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    own = (file for file in files if isinstance(file, str) and not file.startswith(os.path.dirname(os.__file__)))
    return list(itertools.islice((file for file in own if "-packages/" not in file), FILES_LIMIT))
