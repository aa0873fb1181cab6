"""What prints to standard error while a successor boots, and what it leaves behind: for BELOW in plain.py.

The first generation does nothing of it.
"""

from __future__ import annotations

import os
import subprocess

import hotswap


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
