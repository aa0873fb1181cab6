"""What a program does to its environment, its directory and its subprocesses: for BELOW in plain.py."""

from __future__ import annotations

import os
import subprocess
import sys

import hotswap

LISTING = "import os; print(*(os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')[:-1]))"
#: What a subprocess had open that was started while this process booted.
BOOTING: list[str] = []


def changes() -> None:
    """Generation 1 changes a variable, adds one and takes one away."""
    if hotswap.generation == 1:
        os.environ["A"] = "changed"
        os.environ["C"] = "added"
        del os.environ["B"]


def loads_dotenv() -> None:
    """As dotenv.load_dotenv(): what is there already stays."""
    with open(".env") as file:
        for line in file:
            name, _, value = line.strip().partition("=")
            os.environ.setdefault(name, value)


def leaves_its_directory() -> None:
    """As soon as it serves."""
    hotswap.on("ready")(lambda _server: os.chdir("/"))


def spawns() -> None:
    """A subprocess, at import."""
    BOOTING.append(spawn())


def spawn() -> str:
    """What a subprocess has open, which inherits what it can."""
    command = [sys.executable, "-c", LISTING]
    return subprocess.run(command, close_fds=False, stdout=subprocess.PIPE, text=True).stdout
