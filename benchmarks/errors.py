"""What can go wrong with a measurement."""

from __future__ import annotations


class BenchmarkError(Exception):
    """A server, wrk or an answer is not as it must be; the text says how."""
