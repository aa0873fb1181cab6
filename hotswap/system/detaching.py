"""Becomes a daemon whose start can be waited for: the shell gets its prompt when the server serves, or knows why not.

    command ──fork──▶ leader of a new session ──fork──▶ daemon
    waits for the     waits for the daemon's ready      boots: all that fails is printed at the terminal
    leader's end      or end, and ends with its status  says "ready", lets go of the terminal

The daemon leads no session, so no terminal that it opens becomes its own (setsid(2)). Until it is ready, the end of the
command (Ctrl-C, kill -9, the terminal closed) ends all three: SIGTERM goes from one to the next, by the kernel.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from hotswap.system import buffered_output
from hotswap.system.parent_death import end_with_parent, outlive_parent
from hotswap.system.signals import blocked, name_of

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class Detached:
    """The daemon's side: it boots, and the command still waits. On the main thread."""

    def __init__(self, leader: int, ready_fd: int, terminal: _Terminal) -> None:
        self._leader = leader
        self._ready_fd = ready_fd
        self._terminal = terminal
        # Forked children outlive the start: neither the terminal nor the command may wait for them.
        os.register_at_fork(after_in_child=self._let_go)

    def ready(self) -> bool:
        """Say that the server serves: the command ends with status 0. False if it or the leader was killed meanwhile,
        and no daemon is wanted."""
        # First: the leader ends as soon as it has read the message.
        outlive_parent()
        try:
            if os.getppid() != self._leader:
                # The signal of its end is here, or about to be: nobody may be told that this process serves.
                return False
            os.write(self._ready_fd, b"ready")
        except BrokenPipeError:
            return False
        finally:
            self._let_go()
        return True

    def _let_go(self) -> None:
        self._terminal.let_go()
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
            self._ready_fd = -1


def detach(*, keep_streams: bool) -> Detached:
    """Fork twice; returns in the daemon. In the calling process it does not return: that ends when the daemon serves,
    with status 0, or has ended, with its status.

    On the main thread, before there are others. Standard input is /dev/null from now on, and so are standard output and
    error; `keep_streams`: unless they lead to a file or a pipe. What Python prints to standard error goes to the old
    one too until the daemon is ready.
    """
    read, write = os.pipe2(os.O_CLOEXEC)
    buffered_output.flush_where_read()
    command = os.getpid()
    # Ctrl-C must not reach any of them as an exception in the frames of the command.
    with blocked(_STOPPING):
        leader = os.fork()
        if leader == 0:
            parent = _lead(command, read, write)
            os.close(read)
            terminal = _Terminal(keep_streams)
        else:
            interrupts = _pass_ctrl_c_on(leader)
    if leader:
        os.close(write)
        os._exit(_wait(leader, read, interrupts))
    os.umask(0o022)
    return Detached(parent, write, terminal)


# the command


def _pass_ctrl_c_on(leader: int) -> Sequence[int]:
    """Have Ctrl-C end the start, by force the second time; returns the list of those that came."""
    pidfd = os.pidfd_open(leader)
    interrupts: list[int] = []

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL if interrupts[1:] else signal.SIGTERM)

    # In the background of a shell script it is ignored.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, on_interrupt)
    return interrupts


def _wait(leader: int, read: int, interrupts: Sequence[int]) -> int:
    """The exit status of the command: 0 if the daemon serves, also where Ctrl-C came, or the leader was killed, when
    all was done."""
    status = os.waitstatus_to_exitcode(os.waitpid(leader, 0)[1])
    if status == 0 or (status < 0 and _has(read)):
        return 0
    if interrupts:
        return 128 + signal.SIGINT
    if status < 0:
        _say(f"the process that waited for the server was killed by {name_of(-status)}: there is no server")
    return status if status > 0 else 128 - status


def _has(read: int) -> bool:
    """Whether the daemon has said that it is ready; what it wrote stays in the pipe, for command and leader."""
    poll = select.poll()
    poll.register(read, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(0))


# the leader of the session


def _lead(command: int, read: int, write: int) -> int:
    """Make the session and the daemon; returns in the daemon only, the leader's pid. In the leader, signals are
    blocked."""
    end_with_parent(signal.SIGTERM, command)
    os.setsid()
    leader = os.getpid()
    try:
        daemon = os.fork()
    except OSError as error:
        _say(f"cannot fork ({error.strerror}): the limit of processes of this user may be reached")
        os._exit(1)
    if daemon == 0:
        end_with_parent(signal.SIGTERM, leader)
        return leader
    status = 1
    try:
        os.close(write)
        status = _watch(daemon, read)
    finally:
        os._exit(status)


def _watch(daemon: int, read: int) -> int:
    """Wait until the daemon is ready or has ended; the status of the command."""
    told: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        told.append(number)
        os.kill(daemon, signal.SIGTERM)

    signal.signal(signal.SIGTERM, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    ready = _is_ready(read, os.pidfd_open(daemon))
    if not ready:
        return _status_of_failure(os.waitstatus_to_exitcode(os.waitpid(daemon, 0)[1]), told)
    # A signal from now on comes too late: the status that says so is as good as given.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    if told:
        # The application may have swallowed the signal; the server does not.
        os.kill(daemon, signal.SIGTERM)
        return 128 + signal.SIGTERM
    return 0


def _is_ready(read: int, pidfd: int) -> bool:
    """Wait until the daemon is ready, or has ended. That the pipe is closed says nothing: the pidfd tells the end."""
    poll = select.poll()
    for fd in (read, pidfd):
        poll.register(fd, select.POLLIN)
    while not _has(read):
        happened = dict(poll.poll())
        if pidfd in happened:
            return _has(read)
        if not happened[read] & select.POLLIN:
            poll.unregister(read)
    return True


def _status_of_failure(status: int, told: Sequence[int]) -> int:
    if status < 0:
        if not told:
            _say(f"the server was killed by {name_of(-status)} before it was ready")
        return 128 - status
    if status == 0 and not told:
        _say("the server has ended before it was ready, with exit status 0")
    return status or 1


def _say(sentence: str) -> None:
    os.write(2, f"hotswap run: {sentence}\n".encode())


# the daemon's standard streams


class _Terminal(io.FileIO):
    """Standard error of a daemon that boots: what is written goes to the new one, and to the old one until `let_go`.

    fd: the descriptor of the old one; -1 if it is kept.
    """

    def __init__(self, keep: bool) -> None:
        """Redirect the streams of this process; `keep`: only those that are a terminal."""
        super().__init__(2, "wb", closefd=False)
        kept = [fd for fd in (1, 2) if keep and not os.isatty(fd)]
        self.fd = -1 if 2 in kept else os.dup(2)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fd in {0, 1, 2} - set(kept):
            os.dup2(null, fd)
        os.close(null)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(self), getattr(sys.stderr, "encoding", None), "backslashreplace", line_buffering=True
        )

    def write(self, data: object) -> int:
        """From any thread."""
        if self.fd >= 0:
            try:
                os.write(self.fd, data)  # type: ignore[arg-type]
            except OSError:
                pass  # the terminal was closed, or its reader has gone: the daemon's own error has it
        return super().write(data)  # type: ignore[arg-type]

    def let_go(self) -> None:
        """Write there no more. The number stays open, because another thread may be about to write to it."""
        if self.fd >= 0:
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, self.fd, inheritable=False)
            os.close(null)
            self.fd = -1
