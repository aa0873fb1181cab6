"""What a generation is to serve, and what its parts need before anything is shared with another process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hotswap.apps.mapping import WSGIApp
from hotswap.dev.file_watch import FileWatch
from hotswap.gunicorn_compat.server_hooks import ArbiterView
from hotswap.lifecycle.states import Event
from hotswap.log import Log
from hotswap.restart.this_process import Bootstrap
from hotswap.serving.callback_runner import CallbackRunner
from hotswap.settings import Config
from hotswap.settings.options import ServerOptions
from hotswap.system.main_loop import MainLoop

if TYPE_CHECKING:
    # Most servers have none, and should not wait for its import: 3 ms.
    from hotswap.serving.future_starter import FutureStarter


class ServerEvents(NamedTuple):
    """What the parts of a generation tell the server; `server` is what callbacks of the program get.

    restart: a watched file or path has changed; may be called on any thread. The others are called on the main thread.
    on_listening: the listeners are open, at these URLs. on_news: what has become of a successor. on_idle: there may be
    nothing left to do. urls: where it listens; empty before that.
    """

    server: object
    on_listening: Callable[[list[str]], None]
    restart: Callable[[], None]
    on_news: Callable[[Event], None]
    on_idle: Callable[[], None]
    urls: Callable[[], Sequence[str]]


class Plan(NamedTuple):
    """What is to be served, settled before anything is opened. `process` is what import took from a predecessor.

    future_starter: in generation 1 where the pid has to stay, but for one that a starter has started. warning: a
    sentence for the log, from before there is one; "" for none.
    """

    cfg: Config
    options: ServerOptions
    apps: Mapping[str, WSGIApp]
    worker_class: type[Any] | None
    process: Bootstrap
    future_starter: FutureStarter | None = None
    warning: str = ""

    @property
    def generation(self) -> int:
        """The number of this run of the program."""
        return self.process.generation

    @property
    def starter(self) -> tuple[int, int]:
        """The descriptor that leads to the starter, and its pid: the one there is, or this process, which will be it;
        -1 and 0 for none."""
        if self.future_starter is not None:
            return self.future_starter.link_fd, self.process.origin.pid
        return self.process.link.fileno(), self.process.link.pid

    @property
    def stands_for_a_unit(self) -> bool:
        """Whether systemd has this process from the pid file (Type=forking): it stops the server by signalling it, also
        while it retires, and reads the file again only when it has ended."""
        return bool(self.cfg.daemon) and "INVOCATION_ID" in self.process.origin.environ

    def stage(self, name: str) -> None:
        """Tell the predecessor how far the boot is; `hotswap restart` shows it."""
        if self.process.predecessor is not None:
            self.process.predecessor.stage(name)


class Foundation(NamedTuple):
    """What a generation has before it shares anything with another process."""

    loop: MainLoop
    log: Log
    arbiter: ArbiterView
    file_watch: FileWatch
    callbacks: CallbackRunner
