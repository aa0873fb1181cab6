"""What docs/opentelemetry.md says: no span is lost when a generation or a worker leaves."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.documented import documented
from tests.harness import Program

SPANS = """
from opentelemetry import trace

def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    with trace.get_tracer("shop").start_as_current_span(name):
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
"""
#: Spans are written to standard output, and not before they are flushed.
CONSOLE = {
    "OTEL_TRACES_EXPORTER": "console",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_BSP_SCHEDULE_DELAY": "600000",
}


def test_spans_are_sent_by_who_leaves(program: Program) -> None:
    """By the worker of the old generation after a restart, and by that of the new one after a stop."""
    (program.folder / "gunicorn.conf.py").write_text(documented("opentelemetry.md", "gunicorn.conf.py"))
    agent = Path(sys.executable).parent / "opentelemetry-instrument"
    command = [str(agent), program.python, "-m", "hotswap", "run", "app:app"]
    program.start("-b", "127.0.0.1:0", "-w", "1", command=command, environ=CONSOLE, text=SPANS)
    program.get("/first")
    assert '"name": "first"' not in program.text()
    program.restart()
    program.wait_for('"name": "first"')
    program.get("/second")
    program.stop()
    assert program.text().count('"name": "second"') == 1
