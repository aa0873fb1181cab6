"""The successor as its predecessor sees it: started, listened to, and ended if it fails."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotswap.restart.debuggers import not_attached
from hotswap.restart.program import Program
from hotswap.restart.refused_flag import line_with_flag
from hotswap.system.pidfd import has_ended
from hotswap.system.signals import REMEMBERED, blocked, name_of
from hotswap.system.write_now import write_now

#: How much of a booting successor's standard error is kept (characters), and how many bytes that may be.
TAIL, TAIL_BYTES = 16 * 1024, 64 * 1024
#: A line of hotswap's own log that is not about anything that went wrong.
_OUR_INFO = re.compile(
    r"\[[^]]*\] \[(INFO|DEBUG)\] gen=\d+ pid=\d+ "
    r'|\{"time": "[^"]*", "level": "(info|debug)", "gen": \d+, "pid": \d+, "event": "'
)
#: How much a pipe holds (bytes, pipe(7)); and the ready pipe, if this user may have so much: an error with all its
#: escapes, while this process is busy with something else.
PIPE_SIZE, READY_PIPE_SIZE = 64 * 1024, 256 * 1024
#: The status of a successor that the application has reaped.
UNKNOWN = -255


@dataclass
class News:
    """What the ready pipe has said so far."""

    stage: str = ""
    error: str = ""
    ready: Mapping[str, Any] | None = None
    #: what it has printed to standard error says more of it
    printed_more: bool = False
    #: what the program has printed about --graceful: an older release says so here
    about_flag: str = ""
    #: of a failed start: the files of the modules it had imported
    files: tuple[str, ...] = ()
    #: lines that are no message: a stack dump of a hanging boot
    other: list[str] = field(default_factory=list)


class Pipes:
    """The two pipes a successor is started with: ours to read, its to write. Raises OSError, and holds nothing then."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as undo:
            self.ready_read, self.ready_write = _pipe(undo, os.O_NONBLOCK)
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.ready_write, fcntl.F_SETPIPE_SZ, READY_PIPE_SIZE)
            self.stderr_read, self.stderr_write = _pipe(undo, 0)
            # Only our end: a program that writes a lot to standard error must not see EAGAIN.
            os.set_blocking(self.stderr_read, False)
            undo.pop_all()

    def close_reading_ends(self) -> None:
        os.close(self.ready_read)
        os.close(self.stderr_read)

    def close_writing_ends(self) -> None:
        os.close(self.ready_write)
        os.close(self.stderr_write)


def _pipe(undo: contextlib.ExitStack, flags: int) -> tuple[int, int]:
    ends = os.pipe2(os.O_CLOEXEC | flags)
    for fd in ends:
        undo.callback(os.close, fd)
    return ends


class Successor:
    """A process that is to replace us. Descriptors to watch: `pidfd`, `ready_fd`, `stderr_fd`."""

    def __init__(self, process: subprocess.Popen[bytes], pipes: Pipes, *, holds: bool = False) -> None:
        """holds: what it prints and is no JSON object is written on when it serves, and not at all if it fails."""
        self.process = process
        self.pid = process.pid
        self.pidfd = os.pidfd_open(process.pid)
        self.ready_fd, self.stderr_fd = pipes.ready_read, pipes.stderr_read
        self.news = News()
        self._stderr = b""
        #: printed and not written on
        self._held = b""
        self._holds = holds
        self._partial = b""
        self._killed = False

    @classmethod
    def start(
        cls,
        program: Program,
        environ: Mapping[str, str],
        handoff: Callable[[Pipes, int], tuple[Mapping[str, str], list[int]]],
        *,
        holds: bool = False,
    ) -> Successor:
        """Start `program` again. `handoff(pipes, stderr_fd)` gives the variables to add and the descriptors to pass.

        Raises OSError if it cannot be started. The signals a booting successor has to remember are blocked around
        the start and unblocked when it imports hotswap, so none of them can kill it in between.
        """
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as its_ends:
            pipes = Pipes()
            undo.callback(pipes.close_reading_ends)
            its_ends.callback(pipes.close_writing_ends)
            real_stderr = os.dup(2)
            its_ends.callback(os.close, real_stderr)
            variables, descriptors = handoff(pipes, real_stderr)
            with blocked(REMEMBERED), not_attached():
                process = subprocess.Popen(
                    program.command(),
                    executable=program.executable,
                    cwd=program.directory,
                    env={**environ, **variables},
                    pass_fds=descriptors,
                    stderr=pipes.stderr_write,
                )
            undo.callback(_end_unwatched, process)
            successor = cls(process, pipes, holds=holds)
            undo.pop_all()
            return successor

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
            if "stage" in message:
                # It has caught its error, and goes on.
                self.news = News(other=self.news.other)
            self.news.stage = message.get("stage", self.news.stage)
            self.news.error = message.get("before", "") + message.get("error", self.news.error)
            self.news.printed_more = bool(message.get("printed_more", self.news.printed_more))
            self.news.files += tuple(message.get("files", ()))
            self.news.about_flag = message.get("about_flag", self.news.about_flag)
            self.news.ready = message.get("ready", self.news.ready)

    def copy_stderr(self) -> None:
        """Write on what the successor has printed so far, and keep its end for the report.

        What our standard error has no room for is lost: to wait for its reader would stop the main loop.
        """
        data = self._read(self.stderr_fd)
        self._stderr = (self._stderr + data)[-TAIL_BYTES:]
        with contextlib.suppress(OSError):
            write_now(2, self._objects_in(data) if self._holds else data)

    def _objects_in(self, data: bytes) -> bytes:
        """The whole lines that are objects of its log; all others are held."""
        objects: list[bytes] = []
        others: list[bytes] = []
        for line in (self._held + data).splitlines(keepends=True):
            (objects if line.startswith(b"{") and line.endswith(b"\n") else others).append(line)
        self._held = b"".join(others)[-TAIL_BYTES:]
        return b"".join(objects)

    def leave_stderr(self) -> None:
        """It serves: what is printed from now on is not ours to read."""
        with contextlib.suppress(OSError):
            write_now(2, self._held)
        if self.stderr_fd >= 0:
            self._close_fd(self.stderr_fd)

    def _read(self, fd: int) -> bytes:
        """What a pipe holds now, read once: a program that prints without end would keep the main loop here for ever.

        At the end of file the descriptor is closed and set to -1.
        """
        if fd < 0:
            return b""
        try:
            data = os.read(fd, READY_PIPE_SIZE if fd == self.ready_fd else PIPE_SIZE)
        except BlockingIOError:
            return b""
        if not data:
            self._close_fd(fd)
        return data

    def _close_fd(self, fd: int) -> None:
        os.close(fd)
        if fd == self.ready_fd:
            self.ready_fd = -1
        else:
            self.stderr_fd = -1

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this very process, or to none."""
        self._killed = self._killed or number == signal.SIGKILL
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self.pidfd, number)

    def exited(self) -> bool:
        """Reap it if it has exited. Its status is then `returncode`: as subprocess gives it, or UNKNOWN."""
        if self.process.returncode is None and self._is_reaped():
            # By the program, which waits for all children or ignores SIGCHLD; Popen.poll() would say status 0.
            self.process.returncode = UNKNOWN
        return self.process.poll() is not None

    def _is_reaped(self) -> bool:
        """Whether it has ended and the application has read its status (waitid(2): ECHILD)."""
        if self.pidfd < 0 or not has_ended(self.pidfd):
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
        if self.process.returncode is None:
            # Else Popen reads its status when it is deleted, and who adopts it, such as the starter, cannot any more.
            self.process.returncode = UNKNOWN

    def why(self, *, printed_above: bool = False) -> str:
        """Why it did not become ready: how it ended, with its own error, else the end of its standard error.

        printed_above: for a reader who has that before his eyes.
        """
        error, printed = self.news.error.strip(), self._printed().strip("\n").rstrip()
        if printed_above and printed:
            printed = "what it printed stands above"
        shown = [printed if self.news.printed_more or not error else "", error, self._hang()]
        parts = [self.how_it_ended(), *(shown if any(shown) else [self._silence()])]
        return "\n".join(part for part in parts if part)

    def _silence(self) -> str:
        """What is left to say of one that has said nothing."""
        if not self.exited():
            return ""
        where = f"it was at {self.news.stage!r}" if self.news.stage else "it had not come to import hotswap"
        return f"it said nothing, on standard error neither; {where}"

    def how_it_ended(self) -> str:
        status = self.process.returncode if self.exited() else None
        if status is None:
            return ""
        if status == UNKNOWN:
            return f"the successor (pid {self.pid}) has ended"
        if status < 0:
            unexplained = status == -signal.SIGKILL and not self._killed and self.news.ready is None
            perhaps = " (out of memory, perhaps)" if unexplained else ""
            return f"the successor (pid {self.pid}) was killed by {name_of(-status)}{perhaps}"
        return f"the successor (pid {self.pid}) exited with status {status}"

    def _hang(self) -> str:
        return "\n".join(["where it hung:", *self.news.other]) if self.news.other else ""

    def refused_flag(self) -> str:
        """What it said of --graceful, if it may have failed because of that: it has exited by itself, and in vain."""
        if not self.exited() or (self.returncode or 0) <= 0:
            return ""
        said = (self.news.about_flag, self._printed(), self.news.error)
        return next((found for text in said if (found := line_with_flag(text))), "")

    def _printed(self) -> str:
        """What it has written to standard error while it booted, the end of it; but for what our log tells anyway."""
        lines = self._stderr.decode("utf-8", "replace")[-TAIL:].splitlines(keepends=True)
        return "".join(line for line in lines if not _OUR_INFO.match(line))


def _end_unwatched(process: subprocess.Popen[bytes]) -> None:
    """It runs, and is not watched: it must not send its SIGTERM to a process that knows of no successor."""
    process.kill()
    process.wait()
