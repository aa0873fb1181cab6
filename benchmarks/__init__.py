"""`make bench`: hotswap and its peers, measured in turn on one machine.

Read `workloads` for what is asked of a server, `peers` for which servers are measured, `measure` for how one figure
comes about.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
