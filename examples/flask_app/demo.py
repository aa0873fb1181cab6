"""`make demo`: the example in a folder of its own, five new versions of it, and clients that must not notice.

Fails (exit status 1) if a request fails, a connection is closed by the server, or a version is never seen.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.harness import Program
from tests.processes import ProcessTree, adopt_orphans
from tests.traffic import Result, Traffic
from tests.traffic.kinds import Paths

RESTARTS = 5
PERIOD = 1.5
"""Seconds of traffic before each restart, and after the last one."""
CLIENTS = {"keep-alive": 8, "one-shot": 2}
PAUSES = {"keep-alive": 0.01, "one-shot": 0.02}
PATHS = Paths(echo="/hello/{token}")


def main() -> int:
    """Runs the demonstration; the exit status."""
    adopt_orphans()
    tree = ProcessTree()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hotswap-demo-") as folder:
        program = copied(Path(folder) / "flask_app")
        try:
            result = demonstrate(program)
        except (AssertionError, TimeoutError) as error:
            print(
                f"\nThe demonstration broke off: {error}\n\nThe server's log:\n{program.shown()}",
                file=sys.stderr,
            )
            return 1
        finally:
            tree.end()
        problems = found(result)
        print(f"\n{table(result)}\n\n{RESTARTS} restarts in {time.monotonic() - began:.0f} s: ", end="")
        print("no client noticed." if not problems else "; ".join(problems))
        if problems:
            print(f"\n{result}\n\nThe server's log:\n{program.shown()}", file=sys.stderr)
        return 1 if problems else 0


def copied(folder: Path) -> Program:
    """The example in a folder where its file may be edited."""
    unwanted = shutil.ignore_patterns("__pycache__", "demo.py")
    shutil.copytree(Path(__file__).parent, folder, ignore=unwanted)
    program = Program(folder)
    program.deploy(version="1", text=program.script.read_text())
    return program


def demonstrate(program: Program) -> Result:
    """Starts it, sends traffic, deploys and restarts; what the clients met."""
    print(f"$ cd {program.folder}; python app.py")
    program.start(environ={"ADDRESS": "127.0.0.1:0"})
    print(f"serving at {program.url}, generation 1, pid {program.pid}")
    print(f"clients: {', '.join(f'{count} {kind}' for kind, count in CLIENTS.items())}")
    with Traffic(program.address, CLIENTS, paths=PATHS, pauses=PAUSES) as traffic:
        progress(traffic)
        for version in range(2, RESTARTS + 2):
            deploy(program, str(version))
            progress(traffic)
    program.settle()
    program.stop()
    return traffic.result()


def deploy(program: Program, version: str) -> None:
    """Edits the file and restarts."""
    print(f'$ edit app.py: VERSION = "{version}"; kill -HUP {program.serving_pid}')
    program.deploy(version=version)
    began = time.monotonic()
    program.restart()
    took = time.monotonic() - began
    print(f"generation {program.serving_generation}, pid {program.serving_pid}, serves after {took:.2f} s")


def progress(traffic: Traffic) -> None:
    """Lets traffic flow for a period, and says how it goes."""
    until = time.monotonic() + PERIOD
    while (left := until - time.monotonic()) > 0 and not traffic.wait(min(left, PERIOD / 2)):
        so_far = traffic.snapshot()
        print(
            f"    {so_far.seconds:5.1f} s {so_far.requests:7,} requests, {so_far.failed} failed,"
            f" {so_far.closed_by_server} connections closed, version {list(so_far.versions)[-1]}",
            flush=True,
        )


def table(result: Result) -> str:
    """What the clients met, a line each."""
    opened = ", ".join(f"{count:,} {kind}" for kind, count in result.opened_by_kind.items())
    rows = {
        "versions seen": " ".join(result.versions),
        "requests": f"{result.requests:,}",
        "failed": f"{result.failed:,}",
        "connections opened": f"{result.opened:,} ({opened})",
        "connections closed by the server": f"{result.closed_by_server:,}",
        "slowest answer": f"{result.slowest * 1000:.0f} ms",
    }
    return "\n".join(f"{name:<34}{value}" for name, value in rows.items())


def found(result: Result) -> list[str]:
    """What is wrong with the result."""
    missing = [str(n) for n in range(1, RESTARTS + 2) if str(n) not in result.versions]
    return [
        *([f"requests failed: {result.failures}"] if result.failures else []),
        *([f"{result.closed_by_server} connections closed"] if result.closed_by_server else []),
        *([f"never seen: version {', '.join(missing)}"] if missing else []),
    ]


if __name__ == "__main__":
    sys.exit(main())
