"""Signals as a queue, with real signals in real processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
from collections import deque
from pathlib import Path

from hotswap.system.signals import HANDLED, REMEMBERED, SignalQueue, blocked
from tests.live import starts_processes
from tests.system.reused_descriptors import reused_descriptors


def wait_readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 10)[0])


def test_a_signal_wakes_the_wait_and_is_taken_once() -> None:
    """The descriptor becomes readable, `take` says which signals came and in which order, and then nothing."""
    with SignalQueue() as queue:
        os.kill(os.getpid(), signal.SIGHUP)
        assert wait_readable(queue.fileno())
        os.kill(os.getpid(), signal.SIGUSR1)
        assert list(queue.take()) == [signal.SIGHUP, signal.SIGUSR1]
        assert list(queue.take()) == []
        assert not select.select([queue.fileno()], [], [], 0)[0]


def test_everything_is_given_back() -> None:
    """Handlers and the wake-up descriptor are those of before, and no descriptor stays open."""
    before = [signal.getsignal(number) for number in HANDLED]
    open_before = os.listdir("/proc/self/fd")
    read, write = os.pipe2(os.O_NONBLOCK)
    try:
        signal.set_wakeup_fd(write)
        with SignalQueue():
            assert signal.getsignal(signal.SIGHUP) not in before
        assert signal.set_wakeup_fd(-1) == write
    finally:
        signal.set_wakeup_fd(-1)
        os.close(read)
        os.close(write)
    assert [signal.getsignal(number) for number in HANDLED] == before
    assert os.listdir("/proc/self/fd") == open_before


def test_what_came_before_is_taken_first() -> None:
    """A successor's remembered signals are acted on once it serves."""
    early: deque[int] = deque([signal.SIGHUP])
    queue = SignalQueue(early)
    early.append(signal.SIGUSR1)
    with queue:
        queue.push(signal.SIGTERM)
        assert signal.SIGHUP in queue
        assert list(queue.take()) == [signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM]
        assert signal.SIGHUP not in queue
    assert not early


def test_a_late_push_is_written_nowhere() -> None:
    """`Server.stop()` may come after `serve()` has returned: descriptors that were opened since are not touched."""
    with SignalQueue() as queue:
        pass
    with reused_descriptors() as written:
        queue.push(signal.SIGTERM)
        assert not written()


def test_a_thousand_signals_fill_no_pipe() -> None:
    """The pipe only wakes; a full one neither blocks the handler nor complains."""
    with SignalQueue() as queue:
        for _ in range(1000):
            signal.raise_signal(signal.SIGUSR1)
        assert list(queue.take()) == [signal.SIGUSR1] * 1000


def test_an_ignored_signal_stays_ignored() -> None:
    """A late SIGTERM must not kill what the user's program does after serve(); until then it is not lost."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        with SignalQueue() as queue:
            queue.ignore_afterwards(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert list(queue.take()) == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


@starts_processes
def test_a_forked_childs_signals_are_its_own() -> None:
    """A multiprocessing child's SIGTERM ends the child and never reaches the server's queue."""
    with SignalQueue() as queue:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(write, b"x")
            signal.pause()
            os._exit(0)
        assert os.read(read, 1) == b"x"
        os.kill(pid, signal.SIGTERM)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGTERM
        assert list(queue.take()) == []
        os.close(read)
        os.close(write)


@starts_processes
def test_blocked_signals_are_inherited(tmp_path: Path) -> None:
    """A process started inside `blocked` cannot be killed by these signals before it says so itself."""
    program = textwrap.dedent(
        """
        import signal, sys
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup(1) may stand before the tests
        print("up", flush=True)
        sys.stdin.readline()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
        signal.pause()
        """
    )
    with blocked(REMEMBERED):
        child = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        child.send_signal(signal.SIGHUP)
        assert child.poll() is None
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.wait(10) == -signal.SIGHUP
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(REMEMBERED)


@starts_processes
def test_suspend_is_a_real_suspend() -> None:
    """The process is stopped, also in an orphaned process group; the handler stands after SIGCONT."""
    program = textwrap.dedent(
        """
        import os, signal
        from hotswap.system.signals import SignalQueue
        with SignalQueue() as queue:
            print("up", flush=True)
            queue.suspend()
            print("resumed", signal.getsignal(signal.SIGTSTP) != signal.SIG_DFL, flush=True)
        """
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        child.send_signal(signal.SIGCONT)
        assert child.stdout.readline() == "resumed True\n"


@starts_processes
def test_sigcont_discards_a_sigtstp_that_waits() -> None:
    """As the kernel does: one that came before it, and one of two; but not one that comes afterwards."""
    program = textwrap.dedent(
        """
        import os, signal
        from hotswap.system.signals import SignalQueue
        with SignalQueue() as queue:
            os.kill(os.getpid(), signal.SIGTSTP)
            os.kill(os.getpid(), signal.SIGCONT)
            for number in queue.take():
                queue.suspend()
            os.kill(os.getpid(), signal.SIGTSTP)
            os.kill(os.getpid(), signal.SIGTSTP)
            for number in queue.take():
                print("suspended", flush=True)
                queue.suspend()
            print("through", flush=True)
            os.kill(os.getpid(), signal.SIGCONT)
            os.kill(os.getpid(), signal.SIGTSTP)
            for number in queue.take():
                queue.suspend()
        """
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "suspended\n"
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        child.send_signal(signal.SIGCONT)
        assert child.stdout.readline() == "through\n"
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        child.send_signal(signal.SIGCONT)
