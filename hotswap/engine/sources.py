"""What the leader polls beside connections: listeners, the exchange, its own waker; and whether it is busy with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.engine.core import Core

Source = Callable[[int], object]


class Sources(dict[int, Source]):
    """Callbacks by descriptor. Any thread may add and take away, the leader runs them.

    `busy`: one runs. A connection may have been accepted or received there that is in `Core.live` not yet.
    """

    def __init__(self, core: Core) -> None:
        super().__init__()
        self._core = core
        self.busy = False
        core.sources = self

    def run(self, fd: int, mask: int) -> bool:
        """Run the callback of `fd`; False if it has none."""
        core = self._core
        # Before it is looked for: whoever takes it away, and then finds nobody busy, knows that it does not run.
        self.busy = True
        source = self.get(fd)
        if source is not None and mask:
            try:
                source(fd)
            except Exception:  # a callback of the engine's user must not end the turn of all clients
                core.log.exception("a source of the engine failed")
        self.busy = False
        if core.leaving and not core.live:
            # Who has asked meanwhile whether all is over was told no.
            core.changed()
        return source is not None
