"""The successor as its predecessor sees it: started, listened to, and ended if it fails."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotswap.system.program import Program
from hotswap.system.signals import REMEMBERED, blocked, name_of

#: How much of a booting successor's standard error is kept (bytes).
TAIL = 16 * 1024
#: The status of a successor that somebody else has reaped.
UNKNOWN = -255


@dataclass
class News:
    """What the ready pipe has said so far."""

    stage: str = ""
    error: str = ""
    ready: Mapping[str, Any] | None = None
    #: of a failed start: the files of the modules it had imported
    files: tuple[str, ...] = ()
    #: lines that are no message: a stack dump of a hanging boot
    other: list[str] = field(default_factory=list)


class Pipes:
    """The two pipes a successor is started with: ours to read, its to write."""

    def __init__(self) -> None:
        self.ready_read, self.ready_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.stderr_read, self.stderr_write = os.pipe2(os.O_CLOEXEC)
        # Only our end: a program that writes a lot to standard error must not see EAGAIN.
        os.set_blocking(self.stderr_read, False)

    def close_writing_ends(self) -> None:
        os.close(self.ready_write)
        os.close(self.stderr_write)


class Successor:
    """A process that is to replace us. Descriptors to watch: `pidfd`, `ready_fd`, `stderr_fd`."""

    def __init__(self, process: subprocess.Popen[bytes], pipes: Pipes) -> None:
        self.process = process
        self.pid = process.pid
        self.pidfd = os.pidfd_open(process.pid)
        self.ready_fd, self.stderr_fd = pipes.ready_read, pipes.stderr_read
        self.news = News()
        self._stderr = b""
        self._partial = b""

    @classmethod
    def start(
        cls,
        program: Program,
        environ: Mapping[str, str],
        handoff: Callable[[Pipes, int], tuple[Mapping[str, str], list[int]]],
    ) -> Successor:
        """Start `program` again. `handoff(pipes, stderr_fd)` gives the variables to add and the descriptors to pass.

        Raises OSError if it cannot be started. The signals a booting successor has to remember are blocked around
        the start and unblocked when it imports hotswap, so none of them can kill it in between.
        """
        pipes = Pipes()
        process = None
        real_stderr = os.dup(2)
        try:
            variables, descriptors = handoff(pipes, real_stderr)
            with blocked(REMEMBERED):
                process = subprocess.Popen(
                    program.command(),
                    executable=program.executable,
                    cwd=program.directory,
                    env={**environ, **variables},
                    pass_fds=descriptors,
                    stderr=pipes.stderr_write,
                )
            return cls(process, pipes)
        except BaseException:
            if process is not None:
                # It runs, and nobody would watch it: it must not send its SIGTERM to who knows of no successor.
                process.kill()
                process.wait()
            os.close(pipes.ready_read)
            os.close(pipes.stderr_read)
            raise
        finally:
            os.close(real_stderr)
            pipes.close_writing_ends()

    def read_ready(self) -> News:
        """Read what is in the ready pipe now; never blocks. End of file says nothing: its children may hold it."""
        data = self._read(self.ready_fd)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._take_line(line.decode("utf-8", "replace"))
        return self.news

    def _take_line(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self.news.other.append(line)
            return
        if isinstance(message, dict):
            self.news.stage = message.get("stage", self.news.stage)
            self.news.error = message.get("error", self.news.error)
            self.news.files = tuple(message.get("files", self.news.files))
            self.news.ready = message.get("ready", self.news.ready)

    def copy_stderr(self) -> None:
        """Write on what the successor has printed so far, and keep its end for the report."""
        data = self._read(self.stderr_fd)
        self._stderr = (self._stderr + data)[-TAIL:]
        # Nobody may be reading there: a full pipe must not stop the main loop.
        with contextlib.suppress(OSError):
            if select.select([], [2], [], 0)[1]:
                os.write(2, data)

    def _read(self, fd: int) -> bytes:
        """Everything there is to read now; at the end of file the descriptor is closed and set to -1."""
        chunks: list[bytes] = []
        while fd >= 0:
            try:
                chunk = os.read(fd, 65536)
            except BlockingIOError:
                break
            if not chunk:
                self._close_fd(fd)
                break
            chunks.append(chunk)
        return b"".join(chunks)

    def _close_fd(self, fd: int) -> None:
        os.close(fd)
        if fd == self.ready_fd:
            self.ready_fd = -1
        else:
            self.stderr_fd = -1

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this very process, or to nobody."""
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self.pidfd, number)

    def exited(self) -> bool:
        """Reap it if it has exited. Its status is then `returncode`: as subprocess gives it, or UNKNOWN."""
        if self.process.returncode is None and self._is_reaped():
            # By the program, which waits for all children or ignores SIGCHLD; Popen.poll() would say status 0.
            self.process.returncode = UNKNOWN
        return self.process.poll() is not None

    def _is_reaped(self) -> bool:
        """Whether it has ended and somebody else has read its status (waitid(2): ECHILD)."""
        if self.pidfd < 0:
            return False
        poll = select.poll()  # not select(), which ends at descriptor 1023
        poll.register(self.pidfd, select.POLLIN)
        if not poll.poll(0):
            return False
        try:
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        return False

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    def close(self) -> None:
        """Close what we hold of it; the process is not touched. Safe to call twice."""
        for fd in {self.ready_fd, self.stderr_fd, self.pidfd} - {-1}:
            os.close(fd)
        self.ready_fd = self.stderr_fd = self.pidfd = -1

    def why(self) -> str:
        """Why it did not become ready: its own error, else how it ended with the end of its standard error."""
        text = self.news.error.strip() or self._stderr.decode("utf-8", "replace").strip()
        parts = [self.how_it_ended(), text, self._hang(), self._remedy(text)]
        return "\n".join(part for part in parts if part)

    def how_it_ended(self) -> str:
        status = self.process.returncode if self.exited() else None
        if status is None:
            return ""
        if status == UNKNOWN:
            return f"the successor (pid {self.pid}) has ended"
        if status < 0:
            return f"the successor (pid {self.pid}) was killed by {name_of(-status)}"
        return f"the successor (pid {self.pid}) exited with status {status}"

    def _hang(self) -> str:
        return "\n".join(["where it hung:", *self.news.other]) if self.news.other else ""

    def _remedy(self, text: str) -> str:
        """The one mistake that every script can make: to parse the arguments before the import takes --graceful out."""
        if not self.news.stage and re.search(r"--graceful\b", text):
            return (
                "the program parsed its arguments before it imported hotswap, and does not know --graceful: "
                "move `import hotswap` above the parsing, it takes --graceful out of sys.argv"
            )
        return ""
