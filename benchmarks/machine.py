"""Where it was measured."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.load import wrk_version

LOAD_BEFORE = "load average before"


def machine() -> dict[str, str]:
    """What figures depend on.

    Raises:
        BenchmarkError: wrk is not here.
    """
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "processor": _processor(),
        "CPUs": str(len(os.sched_getaffinity(0))),
        "Linux": platform.release(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "wrk": wrk_version(),
        LOAD_BEFORE: load_average(),
    }


def load_average() -> str:
    """Of the last minute. Far above 0 before a run means that something else was running, too."""
    return f"{os.getloadavg()[0]:.2f}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
