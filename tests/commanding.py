"""The command `hotswap` as an operator types it, beside a program of the harness."""

from __future__ import annotations

import subprocess
import sys

from tests.harness import Program


def nowhere_else(program: Program, command: str) -> list[str]:
    """The option by which a command looks for the program's servers only: root would be shown everybody's."""
    return [] if command == "run" else ["--run-dir", str(program.folder / "run" / "hotswap")]


def hotswap(program: Program, command: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `hotswap COMMAND WORDS` in the program's folder, and with its environment."""
    return subprocess.run(
        [sys.executable, "-m", "hotswap", command, *nowhere_else(program, command), *words],
        capture_output=True,
        text=True,
        timeout=40,
        env=program.environment({}),
        cwd=program.folder,
    )
