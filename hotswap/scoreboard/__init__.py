"""The scoreboard: which processes a server has, what they do and how its restarts went, in one shared file.

`layout` is its bytes, `locks` tells which processes live, `slots`, `tally`, `attempts` and `deployment` are what they
write, `wishes` what commands write, `lingerers` which processes have come to their end, `ended` which have ended;
`files`, `signpost` and `run_directory` say where the file lies, `find` how a command opens it, `open_boards` what this
process has open; `board.Scoreboard` puts them together. `queries` asks it which server process serves.
"""

from __future__ import annotations

from hotswap.scoreboard.attempts import Attempt
from hotswap.scoreboard.board import Scoreboard, list_servers
from hotswap.scoreboard.deployment import Deployment
from hotswap.scoreboard.layout import SLOT_COUNT, ScoreboardError
from hotswap.scoreboard.slots import LINGERING, RECEIVING, Slot, SlotView

__all__ = [
    "LINGERING",
    "RECEIVING",
    "SLOT_COUNT",
    "Attempt",
    "Deployment",
    "Scoreboard",
    "ScoreboardError",
    "Slot",
    "SlotView",
    "list_servers",
]
