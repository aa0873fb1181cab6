"""What a boot can run into: for ABOVE, BELOW and LAST in plain.py. Nothing here imports hotswap."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import threading


def imports(module: str) -> None:
    """A module, which may not be there."""
    importlib.import_module(module)


def divides() -> None:
    """A mistake."""
    _ = 1 / 0


def raises(letter: str, count: int) -> None:
    """An error with a message of so many letters."""
    raise OSError(count * letter + " is the end")


def exits(status: int) -> None:
    """The program ends."""
    sys.exit(status)


def kills_itself(number: int) -> None:
    """With that signal."""
    os.kill(os.getpid(), number)


def hangs() -> None:
    """For ever, and says so."""
    print("hanging", flush=True)
    threading.Event().wait()


def parses_arguments() -> None:
    """As programs do; hotswap has to be imported before."""
    argparse.ArgumentParser().parse_args()


def refuses_flag(status: int, then: str) -> None:
    """Above the import: a successor that has the flag says so. Then it exits with that status, or hangs; `then` says
    whether one that is started without the flag fails as well."""
    if "--graceful" in sys.argv:
        print("no such option: --graceful", file=sys.stderr, flush=True)
        if then == "hangs":
            hangs()
        sys.exit(status)
    if then == "fails" and "HOTSWAP_HANDOFF" in os.environ:
        sys.exit("it fails all the same")
