"""The exec that makes a process the starter: no signal is lost in it, nor when it fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Its own SIGTERM comes when the state is written down, and the exec fails after that.
PROGRAM = """\
import os, signal, sys
import hotswap
from hotswap.starter.becoming import become_starter
came = []
signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))

def prepare():
    os.kill(os.getpid(), signal.SIGTERM)
    print("while it is prepared", came, flush=True)
    raise OSError(2, "there is no interpreter")

try:
    become_starter(prepare, [])
except OSError as error:
    print("afterwards", came, error.strerror)
"""


@pytest.mark.usefixtures("live")
def test_signals_wait_while_it_is_prepared() -> None:
    """One that came after they had been counted would be lost with the process's handlers."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=20)
    assert done.stderr == ""
    assert done.stdout == "while it is prepared []\nafterwards [15] there is no interpreter\n"


#: The starter of another release: says which signals it finds blocked.
OTHER = """\
import signal
print(sorted(number.name for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())))
"""
BECOMES_OTHER = """\
import sys
import hotswap
from hotswap.starter.becoming import become_starter
from hotswap.starter.starter_state import StarterState
state = StarterState(sys.executable, (), "/", {}, (0, 1))
become_starter(lambda: state, [], program=sys.argv[1])
"""


@pytest.mark.usefixtures("live")
def test_the_starter_of_an_older_release(tmp_path: Path) -> None:
    """It unblocks these signals, and no others."""
    other = tmp_path / "entry.py"
    other.write_text(OTHER)
    command = [sys.executable, "-c", BECOMES_OTHER, str(other)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.stderr == ""
    names = ["CHLD", "HUP", "INT", "QUIT", "TERM", "TSTP", "TTIN", "TTOU", "USR1", "USR2"]
    assert done.stdout == f"{[f'SIG{name}' for name in names]}\n"
