"""What a program does above `import hotswap`: for ABOVE in plain.py. Nothing here imports hotswap."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from typing import Any

import setproctitle

#: What the process knew above `import hotswap`.
STARTED: dict[str, Any] = {}


def gate(name: str) -> None:
    """Waits here until there is a file of that name in the program's folder."""
    print(f"at gate {name}", flush=True)
    wait_for_file(name)


def wait_for_file(name: str) -> None:
    """Returns when it is there."""
    while not os.path.exists(name):
        select.select([], [], [], 0.01)


def until_go() -> None:
    """A successor waits until there is a file "go", and prints an error then."""
    if "--graceful" in sys.argv:
        print("hanging", flush=True)
        wait_for_file("go")
        print("printed to nobody", file=sys.stderr, flush=True)


def notes_how_it_was_started() -> None:
    """For the route /started."""
    STARTED.update(orig_argv=list(sys.orig_argv), variables=dict(os.environ))


def says_arguments() -> None:
    """As the process was started, and as the program sees it."""
    print("early", sys.orig_argv[1:], sys.argv[1:], flush=True)


def says_an_error() -> None:
    """A line on standard error."""
    print("not that bad", file=sys.stderr)


def says_its_variables() -> None:
    """Their names."""
    print("started with", *os.environ, flush=True)


def ready_without_sigterm() -> None:
    """A successor says that it is ready, and then nothing any more."""
    if "--graceful" in sys.argv:
        handoff = json.loads(os.environ["HOTSWAP_HANDOFF"])
        os.write(handoff["ready"], json.dumps({"ready": {"exchange": 0}}).encode() + b"\n")
        select.select([], [], [], 60)


def leaves_a_child() -> None:
    """A successor exits, and a child of it keeps all it had open."""
    if "--graceful" in sys.argv:
        if os.fork() == 0:
            signal.pause()
        sys.exit(7)


def sets_title() -> None:
    """It overwrites what /proc says of the environment."""
    setproctitle.setproctitle("mine")


def enters_site() -> None:
    """The directory beside the program, wherever that was started from."""
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "site"))


def prints_20_kb_of_errors() -> None:
    """Two lines a page, before it has standard error itself: its predecessor writes them on."""
    if "--graceful" in sys.argv:
        gate("above the import")
        sys.stderr.write(10 * (2047 * "," + "\n"))
        sys.stderr.flush()
        gate("printed")
