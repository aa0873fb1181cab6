"""How a boot can end, with words or without: for BELOW in plain.py, and hooks by name."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import subprocess
import sys
from typing import Any, NoReturn

WORDS = "no database at db.internal:5432"


def exits() -> NoReturn:
    """By sys.exit, with words."""
    sys.exit(WORDS)


def misses_an_argument() -> None:
    """argparse says so, and exits."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.parse_args([])


def misses_an_option() -> None:
    """click says so, and exits."""
    import click

    click.Command("serve", params=[click.Option(["--database"], required=True)]).main([])


def leaves_at_once() -> NoReturn:
    """As C code does: past Python's stream, and past all that Python does at its end."""
    os.write(2, f"{WORDS}\n".encode())
    os._exit(7)


def logs() -> NoReturn:
    """And exits."""
    logging.basicConfig()
    logging.critical(WORDS)
    sys.exit(5)


def aborts() -> NoReturn:
    """As an assertion in C does."""
    os.write(2, f"{WORDS}\n".encode())
    os.abort()


def crashes() -> None:
    """Reads where no memory is."""
    ctypes.string_at(0)


def becomes_a_shell(command: str) -> NoReturn:
    """By exec."""
    os.execv("/bin/sh", ["sh", "-c", command])


def runs_a_command() -> None:
    """Which fails, with words."""
    subprocess.run(["sh", "-c", f"echo {WORDS} >&2; exit 3"], check=True)


def writes(letter: str, count: int) -> NoReturn:
    """So many letters and an end to standard error; then it exits."""
    sys.exit(count * letter + " is the end")


# hooks and callbacks


def hook_exits(_server_or_worker: Any) -> None:
    """on_starting, post_worker_init."""
    exits()


def hook_leaves_at_once(_worker: Any) -> None:
    """post_worker_init."""
    leaves_at_once()


def hook_crashes(_worker: Any) -> None:
    """post_worker_init."""
    crashes()


def hook_exits_at_fork(_arbiter: Any, _worker: Any) -> None:
    """post_fork."""
    exits()


def callback_exits(step: Any) -> None:
    """At that step of this generation's life."""
    import hotswap

    on: Any = hotswap.on
    on(step)(lambda *_: exits())
