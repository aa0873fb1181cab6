"""Loggers, given by name: logger_class="tests.apps.loggers.KillsPredecessor"."""

from __future__ import annotations

import os
from typing import Any

from gunicorn.glogging import Logger

import hotswap

PREDECESSOR = os.getppid()


class KillsPredecessor(Logger):  # type: ignore[misc]
    """Generation 2 kills its predecessor when it serves, and before it can say so."""

    def info(self, msg: Any, *words: Any, **named: Any) -> None:
        """Logs; "serving at" is logged between the pid file and the ready message."""
        super().info(msg, *words, **named)
        if hotswap.generation == 2 and "serving at" in str(msg):
            os.kill(PREDECESSOR, 9)
            while os.getppid() == PREDECESSOR:
                pass
