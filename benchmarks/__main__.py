"""`python -m benchmarks`: measures, prints, and writes down."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.boot_steps import boot_steps
from benchmarks.errors import BenchmarkError
from benchmarks.machine import load_average, machine
from benchmarks.memory import memory
from benchmarks.page import with_half
from benchmarks.plan import Plan, plans
from benchmarks.ready import ready
from benchmarks.report import Report
from benchmarks.run import run
from benchmarks.starter import starter
from benchmarks.workloads import ASGI


def main(arguments: Sequence[str]) -> int:
    """Runs the benchmark; the exit status: 1 if it cannot be run, or if hotswap answered anything wrong."""
    try:
        reports = [_reported(wanted) for wanted in plans(arguments)]
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if any(report.ours_complain for report in reports) else 0


def _reported(wanted: Plan) -> Report:
    report = _report(wanted)
    print(report.as_markdown())
    before = wanted.report.read_text() if wanted.report.exists() else ""
    page = with_half(before, wanted.interface, report.as_markdown())
    for path, text in ((wanted.results, report.as_json()), (wanted.report, page)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        _say(f"written: {path}")
    return report


def _report(wanted: Plan) -> Report:
    where = machine()
    versions = ", ".join(f"{peer.name} {peer.version}" for peer in wanted.peers)  # before anything is measured
    _say(versions)
    measurements = run(wanted, _say)
    where["load average after"] = load_average()
    if not wanted.whole or wanted.interface == ASGI:
        return Report(wanted, where, measurements)
    return Report(wanted, where, measurements, list(memory()), list(ready()), boot_steps(), starter())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
