"""hypercorn: `hypercorn --config python:benchmarks.hypercorn_config`. Its command lacks a setting."""

from __future__ import annotations

#: As installed, 1000: then a client needs a new connection.
keep_alive_max_requests = 1_000_000_000
