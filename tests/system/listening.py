"""Listening from a test: in this process, in another one, as another user."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from hotswap.errors import BindError
from hotswap.system.addresses import parse
from hotswap.system.listeners import Listener, bind
from tests.eventually import DEADLINE

ROOT = Path(__file__).parents[2]
NOBODY = 65534

Bind = Callable[..., Listener]

# A child that listens at argv[1] until its standard input ends.
HOLDER = """
import sys
from hotswap.system.addresses import parse
from hotswap.system.listeners import bind
listener = bind(parse(sys.argv[1]), sys.argv[1], backlog=1)
print(listener.bound, flush=True)
sys.stdin.read()
"""

# A child that tries to listen at each argument as another user, and prints what it is told.
UNPRIVILEGED = """
import encodings.idna, os, sys  # getaddrinfo imports it, which the other user may have no right to
from hotswap.errors import BindError
from hotswap.system.addresses import parse
from hotswap.system.listeners import bind
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
for text in sys.argv[2:]:
    try:
        print(bind(parse(text), text, backlog=1))
    except BindError as error:
        print(error)
"""


@contextlib.contextmanager
def held(text: str, *arguments: str) -> Iterator[tuple[int, str]]:
    """Another process that listens at `text`: its pid and what it is bound to."""
    with python(HOLDER, text, *arguments) as process:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], DEADLINE)
        assert readable, "the other process did not say that it listens"
        yield process.pid, process.stdout.readline().strip()


@contextlib.contextmanager
def python(code: str, *arguments: str, pass_fds: Sequence[int] = ()) -> Iterator[subprocess.Popen[str]]:
    """A child running `code`, ended by the end of its standard input."""
    command = [sys.executable, "-c", code, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, pass_fds=pass_fds) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=DEADLINE)
            process.kill()


def run(code: str, *arguments: str, **options: object) -> list[str]:
    """The lines a child prints."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(  # type: ignore[call-overload]
        command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, **options
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout).splitlines()


def connect(listener: Listener) -> socket.socket:
    """A client's connection to a listener."""
    client = socket.socket(listener.sock.family, socket.SOCK_STREAM)
    client.settimeout(DEADLINE)
    client.connect(listener.sock.getsockname())
    return client


def ipv6() -> None:
    """Skip the test where there is no IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")


def refusal(text: str, **options: object) -> BindError:
    """What `bind` raises for this address."""
    with pytest.raises(BindError) as caught:
        bind(parse(text), text, backlog=1, **options)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"cannot bind {parse(text).text} (")
    return caught.value
