"""gunicorn's server hooks, called at the steps of a generation's life that mean the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NoReturn

from hotswap.logs import Log
from hotswap.settings import Config
from hotswap.system.listeners import Listener

#: Step to gunicorn's hook (gunicorn.config, section "Server Hooks"); every one gets the server.
HOOKS = {"starting": "on_starting", "ready": "when_ready", "restarting": "on_reload", "stopped": "on_exit"}


class ArbiterView:
    """What hooks get where gunicorn gives its Arbiter: the attributes that hooks in the wild read, and no others."""

    def __init__(self, cfg: Config, log: Log, app: Any) -> None:
        self.cfg = cfg
        self.log = log
        self.app = app
        self.pid = os.getpid()
        self.address = [str(text) for text in cfg.settings["bind"].get()]
        self.LISTENERS: Sequence[Listener] = ()
        self.WORKERS: dict[int, object] = {}
        self.num_workers = 0

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"hotswap has no gunicorn Arbiter, and what stands for it has no {name!r}: "
            "it has cfg, log, pid, app, address, LISTENERS, WORKERS and num_workers"
        )

    def call(self, step: str) -> None:
        """Call the hook of this step, if it has one."""
        if step in HOOKS:
            getattr(self.cfg, HOOKS[step])(self)
