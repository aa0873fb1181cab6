"""Whether another process runs."""

from __future__ import annotations

import os
import subprocess
import sys

from hotswap.system.pidfd import runs
from tests.live import starts_processes


@starts_processes
def test_a_process_runs_until_it_has_ended() -> None:
    """A zombie has ended, too."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert runs(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not runs(child.pid)
    child.communicate()
    assert not runs(child.pid)
    assert not runs(0)
