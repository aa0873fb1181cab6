"""`python -m benchmarks`: measures, prints, and writes down."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.errors import BenchmarkError
from benchmarks.machine import load_average, machine
from benchmarks.memory import memory
from benchmarks.peers import HOTSWAP
from benchmarks.plan import Plan, plan
from benchmarks.ready import ready
from benchmarks.report import Report
from benchmarks.run import run
from benchmarks.starter import starter


def main(arguments: Sequence[str]) -> int:
    """Runs the benchmark; the exit status: 1 if it cannot be run, or if hotswap answered anything wrong."""
    wanted = plan(arguments)
    try:
        report = _report(wanted)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    print(report.as_markdown())
    for path, text in ((wanted.results, report.as_json()), (wanted.report, report.as_markdown())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"written: {path}", file=sys.stderr)
    return 1 if any(one.peer == HOTSWAP and one.complaints for one in report.measurements) else 0


def _report(wanted: Plan) -> Report:
    where = machine()
    versions = ", ".join(f"{peer.name} {peer.version}" for peer in wanted.peers)  # before anything is measured
    _say(versions)
    measurements = run(wanted, _say)
    where["load average after"] = load_average()
    if not wanted.whole:
        return Report(wanted, where, measurements)
    return Report(wanted, where, measurements, list(memory()), list(ready()), starter())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
