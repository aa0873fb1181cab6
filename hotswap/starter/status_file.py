"""The status file of `hotswap start`, as Server::Starter has it: a line GENERATION:PID for each worker."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

#: Beside it: why the last start has failed, for `hotswap start --restart`. There is none after a good one.
FAILED = ".failed"


def write(path: str, workers: Mapping[int, int]) -> None:
    """Replace the file in one step; `workers` is generation to pid. Raises OSError."""
    lines = (f"{generation}:{workers[generation]}\n" for generation in sorted(workers))
    _replace(path, "".join(lines))


def write_failure(path: str, generation: int, why: str) -> None:
    """Tell that this generation could not be started. Raises OSError."""
    _replace(path + FAILED, f"{generation}:{why}\n")


def clear_failure(path: str) -> None:
    """A start has succeeded."""
    with contextlib.suppress(OSError):
        os.unlink(path + FAILED)


def _replace(path: str, text: str) -> None:
    aside = f"{path}.{os.getpid()}"
    with open(aside, "w") as file:
        file.write(text)
    os.rename(aside, path)


def remove(path: str) -> None:
    """The server has stopped."""
    clear_failure(path)
    with contextlib.suppress(OSError):
        os.unlink(path)


def read(path: str) -> dict[int, int]:
    """The workers, generation to pid. Raises OSError."""
    with open(path) as file:
        pairs = (line.strip().split(":", 1) for line in file if ":" in line)
        return {int(generation): int(pid) for generation, pid in pairs if generation.isdigit() and pid.isdigit()}


def read_failure(path: str) -> tuple[int, str]:
    """The generation whose start has failed last, and why; 0 for none."""
    try:
        with open(path + FAILED) as file:
            generation, _, why = file.read().strip().partition(":")
    except OSError:
        return 0, ""
    return (int(generation), why) if generation.isdigit() else (0, "")
