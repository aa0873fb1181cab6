"""What workers are given: the same for all of them, and what is one worker's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hotswap.crew.channel import Channel
from hotswap.engine.model import Application
from hotswap.logs import Log
from hotswap.settings import Config
from hotswap.system.exchange import Exchange
from hotswap.system.listeners import Listener
from hotswap.system.scoreboard import Scoreboard


@dataclass(frozen=True)
class Shared:
    """What the server process and all its workers have in common.

    `load()` gives the application behind each listener, by its key: loaded already, or loaded by this call. `names`
    gives SERVER_NAME and SERVER_PORT of a bound address. `arbiter` is what gunicorn's hooks get. `has_loaded()` is
    called in a worker when nothing can fail any more.
    """

    cfg: Config
    log: Log
    generation: int
    listeners: Sequence[Listener]
    exchange: Exchange
    board: Scoreboard
    load: Callable[[], Mapping[str, Application]]
    names: Callable[[str], tuple[str, str]]
    arbiter: Any
    has_loaded: Callable[[], object]


@dataclass(frozen=True)
class Post:
    """Where one worker stands: its number among the others, and its end of the control channel."""

    shared: Shared
    number: int
    channel: Channel
