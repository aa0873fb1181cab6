"""`hotswap start --restart` and `--stop`: they wait, and tell the truth."""

from __future__ import annotations

import fcntl
import os
import signal
import sys

from hotswap.cli.exit_status import DONE, FAILED
from hotswap.cli.find_server import read_pid
from hotswap.cli.terminal import say
from hotswap.errors import NoSuchServer, UsageError
from hotswap.starter import status_file
from hotswap.system.pidfd import has_ended

_LOOK_EVERY = 0.1  # seconds


def restart(pid_file: str | None, status_path: str | None) -> int:
    """Send SIGHUP, and wait until the only workers are new ones; with status 1 and the reason if the start fails.

    Raises NoSuchServer, UsageError.
    """
    if not pid_file or not status_path:
        raise UsageError("--restart needs --pid-file and --status-file: give those that the server was started with")
    before = max(_workers(status_path), default=0)
    # A start that has failed before this signal says nothing of the one that follows.
    failed_before = max(before, status_file.read_failure(status_path)[0])
    pidfd = _signalled(pid_file, signal.SIGHUP)
    try:
        while not has_ended(pidfd, _LOOK_EVERY):
            workers = _workers(status_path)
            if workers and min(workers) > before:
                return DONE
            generation, why = status_file.read_failure(status_path)
            if generation > failed_before and not any(each > before for each in workers):
                serving = f"generation {before} (pid {workers[before]})" if before in workers else "no worker"
                say(f"hotswap start --restart: {why}; {serving} serves, and the start is tried again", sys.stderr)
                return FAILED
    finally:
        os.close(pidfd)
    say("hotswap start --restart: the server has ended meanwhile", sys.stderr)
    return FAILED


def stop(pid_file: str | None) -> int:
    """Send SIGTERM, and wait until the server has ended. Raises NoSuchServer, UsageError."""
    if not pid_file:
        raise UsageError("--stop needs --pid-file: give the one that the server was started with")
    pidfd = _signalled(pid_file, signal.SIGTERM)
    try:
        # Not for the lock of the pid file: another server may have that at once.
        while not has_ended(pidfd, _LOOK_EVERY):
            pass
    finally:
        os.close(pidfd)
    return DONE


def _signalled(pid_file: str, number: signal.Signals) -> int:
    """A pidfd of the process that has the pid file locked, which has got the signal. Raises NoSuchServer."""
    pid = read_pid(pid_file)
    with open(pid_file) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            raise NoSuchServer(f"the server of the pid file {pid_file} (pid {pid}) is not running: start it")
    try:
        pidfd = os.pidfd_open(pid)
        signal.pidfd_send_signal(pidfd, number)
    except OSError as error:
        raise NoSuchServer(f"cannot signal pid {pid} of {pid_file} ({(error.strerror or '').lower()})") from error
    return pidfd


def _workers(path: str) -> dict[int, int]:
    try:
        return status_file.read(path)
    except OSError as error:
        raise NoSuchServer(f"cannot read the status file {path} ({(error.strerror or '').lower()})") from error
