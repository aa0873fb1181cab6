"""The command `hotswap` as an operator types it, beside a program of the harness."""

from __future__ import annotations

import subprocess
import sys

from tests.harness import Program


def hotswap(program: Program, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `hotswap WORDS` in the program's folder, and with its environment."""
    return subprocess.run(
        [sys.executable, "-m", "hotswap", *words],
        capture_output=True,
        text=True,
        timeout=40,
        env=program.environment({}),
        cwd=program.folder,
    )
