"""What systemd hears, at a socket that plays its part."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hotswap.system.sd_notify import Notifier, watchdog_s
from tests.eventually import DEADLINE


class Systemd:
    """The end of NOTIFY_SOCKET at which systemd listens."""

    def __init__(self, address: str) -> None:
        self.environ = {"NOTIFY_SOCKET": address.replace("\0", "@")}
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(DEADLINE)
        self.sock.bind(address)

    def notifier(self) -> Notifier:
        notifier = Notifier.from_environ(self.environ)
        assert notifier is not None
        return notifier

    def heard(self) -> list[str]:
        """The lines of the next datagram."""
        return self.sock.recv(4096).decode().split("\n")


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest) -> Iterator[Systemd]:
    """A notification socket of each kind."""
    with tempfile.TemporaryDirectory() as name:
        listening = Systemd(f"{name}/notify" if request.param == "path" else f"\0{name}")
        yield listening
        listening.sock.close()


def test_ready(systemd: Systemd) -> None:
    """The start is over; a status goes with it if there is one."""
    assert systemd.notifier().ready()
    assert systemd.heard() == ["READY=1"]
    assert systemd.notifier().ready(status="generation 1 serves 0.0.0.0:80")
    assert systemd.heard() == ["READY=1", "STATUS=generation 1 serves 0.0.0.0:80"]


def test_the_successor_becomes_the_main_process_in_one_datagram(systemd: Systemd) -> None:
    """MAINPID and READY come together: between two datagrams the wrong process would be the main one."""
    assert systemd.notifier().ready(mainpid=4711, status="generation 2 serves")
    assert systemd.heard() == ["MAINPID=4711", "READY=1", "STATUS=generation 2 serves"]


def test_reloading_has_the_time_at_which_it_began(systemd: Systemd) -> None:
    """Type=notify-reload wants CLOCK_MONOTONIC in microseconds, to tell this reload from an older one."""
    before = time.monotonic_ns() // 1000
    assert systemd.notifier().reloading()
    reloading, monotonic = systemd.heard()
    assert reloading == "RELOADING=1"
    assert before <= int(monotonic.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_stopping_progress_more_time_and_a_sign_of_life(systemd: Systemd) -> None:
    """The other things that are said; more time is asked for with each of the longer ones, if there is any to ask."""
    notifier = systemd.notifier()
    assert notifier.stopping()
    assert notifier.stopping("draining 3", 1.5)
    assert notifier.progress("draining 3")
    assert notifier.progress("draining 2", 0.5)
    assert notifier.reloading(70)
    assert notifier.extend(1.5)
    assert notifier.alive()
    assert notifier.ready(alive=True)
    heard = [systemd.heard() for _ in range(8)]
    assert heard[4].pop(1).startswith("MONOTONIC_USEC=")
    assert heard == [
        ["STOPPING=1"],
        ["STOPPING=1", "STATUS=draining 3", "EXTEND_TIMEOUT_USEC=1500000"],
        ["STATUS=draining 3"],
        ["STATUS=draining 2", "EXTEND_TIMEOUT_USEC=500000"],
        ["RELOADING=1", "EXTEND_TIMEOUT_USEC=70000000"],
        ["EXTEND_TIMEOUT_USEC=1500000"],
        ["WATCHDOG=1"],
        ["READY=1", "WATCHDOG=1"],
    ]


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "5"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "77"}, 0.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": ""}, 3.0),
        ({"WATCHDOG_USEC": "0"}, 0.0),
        ({"WATCHDOG_USEC": "-1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_PID": "7"}, 0.0),
    ],
)
def test_the_watchdog_is_asked_of_one_process(environ: dict[str, str], seconds: float) -> None:
    """As sd_watchdog_enabled(3) has it, for process 7 whose first generation was 5."""
    assert watchdog_s(environ, {7, 5}) == seconds


@given(st.text(max_size=2000))
@example("SyntaxError\nMAINPID=1\r\nREADY=1")
@example("\u2028\udcff\0")
@example("\u20ac" * 5000)
def test_a_status_is_one_line_and_fits(text: str) -> None:
    """Whatever an error's text holds, it is no assignment of its own and not too long for systemd."""
    with tempfile.TemporaryDirectory() as name:
        listening = Systemd(f"\0{name}")
        assert listening.notifier().progress(text)
        datagram = listening.sock.recv(65536)
        listening.sock.close()
    assert datagram.startswith(b"STATUS=")
    assert datagram.count(b"\n") == 0
    assert len(datagram) <= 1024 + len("STATUS=")
    datagram.decode()


@pytest.mark.parametrize("path", [None, "", "/", "@", "relative", "vsock:2:1234"])
def test_no_notification_socket(path: str | None) -> None:
    """Not started by systemd, or a kind of socket that is not there for a service on this machine."""
    assert Notifier.from_environ({} if path is None else {"NOTIFY_SOCKET": path}) is None


def test_the_variable_stays(systemd: Systemd) -> None:
    """The next generation needs it too."""
    systemd.notifier()
    assert list(systemd.environ) == ["NOTIFY_SOCKET"]


def test_nobody_listens(tmp_path: Path) -> None:
    """systemd gone, a path too long, a path that no socket can have: said by the result, never raised."""
    for path in (tmp_path / "none", "/" + "a" * 200, "/a\0b", "@" + "a" * 200):
        notifier = Notifier.from_environ({"NOTIFY_SOCKET": str(path)})
        assert notifier is not None
        assert not notifier.ready()


def test_a_full_queue_does_not_block(systemd: Systemd) -> None:
    """A systemd that does not read must not stop a server that serves."""
    notifier = systemd.notifier()
    sent = 0
    while notifier.progress("x" * 1000):
        sent += 1
        assert sent < 100_000
    systemd.heard()
    assert notifier.ready()


def test_no_descriptor_is_kept(systemd: Systemd) -> None:
    """A message costs a socket only while it is sent."""
    notifier = systemd.notifier()
    before = os.listdir("/proc/self/fd")
    notifier.ready()
    assert os.listdir("/proc/self/fd") == before
