"""The scoreboard: who is there, what they do and how restarts went, in one shared file.

A package, because the one thing has five sides: `layout` (bytes), `locks` (who lives), `slots` and `attempts`
(what is written), `files` (where it lies) and `find` (how a command gets to it). `board.Scoreboard` puts them
together.
"""

from __future__ import annotations

from hotswap.system.scoreboard.attempts import Attempt
from hotswap.system.scoreboard.board import Scoreboard, list_servers
from hotswap.system.scoreboard.layout import SLOT_COUNT, ScoreboardError
from hotswap.system.scoreboard.slots import RECEIVING, Slot, SlotView

__all__ = [
    "RECEIVING",
    "SLOT_COUNT",
    "Attempt",
    "Scoreboard",
    "ScoreboardError",
    "Slot",
    "SlotView",
    "list_servers",
]
