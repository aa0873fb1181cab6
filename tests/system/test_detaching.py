"""Becoming a daemon, with one of the three processes ended at every line of it: the command tells the truth."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.harness import APPS, ROOT
from tests.live import starts_processes


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs one of the programs that become daemons."""
    name, *arguments = words
    return subprocess.run(
        [sys.executable, str(APPS / name), *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        env={"PYTHONPATH": str(ROOT)},
    )


def outcomes(role: str, number: signal.Signals) -> list[tuple[int, bool]]:
    """The command's status and whether a daemon served, for every line at which that process got that signal."""
    done = run("detaches.py", role, str(int(number)))
    found = [line.split() for line in done.stdout.splitlines()]
    assert len(found) > 50, done.stderr
    return [(int(status), served == "True") for status, served in found]


@starts_processes
@pytest.mark.parametrize(
    ("role", "number", "failed"),
    [
        ("command", signal.SIGKILL, -9),
        ("command", signal.SIGTERM, -15),
        ("command", signal.SIGINT, 130),
        ("leader", signal.SIGKILL, 137),
        ("leader", signal.SIGTERM, 143),
    ],
)
def test_the_one_that_waits_is_ended(role: str, number: signal.Signals, failed: int) -> None:
    """A daemon serves if the status is 0. If it is another, none is left: only one that was ready already may be, when
    the command itself is killed, and then it was killed too late."""
    found = outcomes(role, number)
    assert (0, False) not in found
    assert {status for status, _ in found} == {0, failed}
    assert (failed, False) in found
    if role == "leader" or number is signal.SIGINT:
        assert (failed, True) not in found


@starts_processes
@pytest.mark.parametrize(("number", "failed"), [(signal.SIGKILL, 137), (signal.SIGTERM, 143)])
def test_the_daemon_is_ended(number: signal.Signals, failed: int) -> None:
    """Before it is ready, the status is that of a shell, as for any program; afterwards it is 0."""
    found = outcomes("daemon", number)
    assert set(found) == {(failed, False), (0, False), (0, True)}
    statuses = [status for status, _ in found]
    assert statuses == sorted(statuses, reverse=True), "first the failures, then what came too late"


@starts_processes
def test_the_leader_is_killed_and_the_command_looks_late() -> None:
    """What the daemon has to say when it knows of the leader's end makes no success of the failure."""
    done = run("detaches_late.py")
    assert done.stdout == "137 False\n", done.stderr
