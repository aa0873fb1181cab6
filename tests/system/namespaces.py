"""Mount namespaces for tests: a full disk, a read-only /tmp, other users' directories, not seen outside."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.system.other_process import ROOT

_USER = ["unshare", "--user", "--map-root-user"]
_PIDS = ["unshare", "--pid", "--fork", "--kill-child"]

_PRELUDE = """
import os, subprocess, sys
from hotswap.scoreboard import Scoreboard, list_servers
def tmpfs(path, options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", path], check=True)
"""


def run(script: str, *, as_root: bool = False, **environ: str) -> str:
    """Run Python code in a mount namespace of its own; its output. Skips the test where that is forbidden.

    As a rule in a user namespace too, with us as root and no other user; `as_root`: without, for other users, and in a
    pid namespace, which ends what the code has started, and where no other server of this machine is found.
    """
    unshare = [*_PIDS, "--mount-proc", "--mount"] if as_root else [*_USER, "--mount"]
    _try([*unshare, "mount", "-t", "tmpfs", "none", "/mnt"])
    kept = {name: value for name, value in os.environ.items() if name not in ("XDG_RUNTIME_DIR", "TMPDIR")}
    done = subprocess.run(
        [*unshare, sys.executable, "-c", _PRELUDE + script],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **environ},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pid_namespace() -> list[str]:
    """The command that runs another as pid 1 of a namespace of its own, and ends it with itself."""
    unshare = [*_PIDS, *_USER[1:]]
    _try([*unshare, "true"])
    return unshare


def _try(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no such namespaces here: {done.stderr.strip()}")
