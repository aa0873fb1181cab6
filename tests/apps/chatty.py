"""What prints to standard error while a successor boots, and what it leaves behind: for BELOW in plain.py.

The first generation does nothing of it.
"""

from __future__ import annotations

import os
import signal
import subprocess

import hotswap

BURST = f"{',' * 99}\n" * 2000
"""Three times what a pipe holds."""
LOGS: list[int] = []


def starts_a_reader() -> None:
    """A program that repeats on standard error what comes through a FIFO, once."""
    if hotswap.generation > 1:
        subprocess.Popen(["sh", "-c", "read line < program; echo the program says $line >&2"])


def forks_a_reader() -> None:
    """A child that does the same, and says where its standard error leads."""
    if hotswap.generation > 1 and os.fork() == 0:
        with open("child") as fifo:
            line = fifo.readline().strip()
        os.write(2, f"the child says {line} to {os.readlink('/proc/self/fd/2')}\n".encode())
        os._exit(0)


def prints(lines: int) -> None:
    """So many, of 100 letters."""
    if hotswap.generation > 1:
        for number in range(lines):
            os.write(2, f"{number:05} {'.' * 93}\n".encode())


def opens_logs() -> None:
    """Logs that lead to where standard error does now; at SIGUSR1 the main thread writes to each."""
    if hotswap.generation > 1:
        LOGS.append(os.open("/dev/stderr", os.O_WRONLY | os.O_APPEND))
        LOGS.append(os.open("/proc/self/fd/2", os.O_RDWR))
        LOGS.append(os.dup(2))
        hotswap.on_signal(signal.SIGUSR1, "after")(lambda _number: bursts())


def bursts() -> list[str]:
    """Write more to each of the logs than a pipe holds; where they lead."""
    for fd in LOGS:
        left = BURST.encode()
        while left:
            left = left[os.write(fd, left) :]
    return [os.readlink(f"/proc/self/fd/{fd}") for fd in LOGS]
