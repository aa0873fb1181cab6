"""What is called at a step of a generation's life: gunicorn's hooks, the file watch, the program's callbacks."""

from __future__ import annotations

import signal
from collections.abc import Callable

from hotswap.callbacks import CALLBACKS, Call, When
from hotswap.log import Log
from hotswap.settings.refusals import shown


class CallbackRunner:
    """Calls back on the main thread. Before this generation serves, an exception fails the boot; from `be_lenient` on
    it is logged, because clients depend on what comes next."""

    def __init__(
        self, log: Log, *always: Callable[[str], object], commands: Callable[[str, tuple[object, ...]], object] | None
    ) -> None:
        """always: is told of each step; commands: of its arguments too, before all others."""
        self._log = log
        self._commands = commands
        self._always = always
        self._lenient = False

    def be_lenient(self) -> None:
        """This generation serves."""
        self._lenient = True

    def at(self, step: str, *arguments: object) -> None:
        """Call what waits for this step."""
        if self._commands is not None:
            self._commands(step, arguments)
        own = [Call(callback, (step,)) for callback in self._always]
        for call in (*own, *CALLBACKS.at(step, *arguments)):
            try:
                call()
            except Exception:
                if not self._lenient:
                    raise
                self._log.exception("the callback %s at %r failed", shown(call.callback), step)

    def at_signal(self, number: signal.Signals, when: When) -> None:
        """Call what waits for this signal."""
        for call in CALLBACKS.at_signal(number, when):
            try:
                call()
            except Exception:  # noqa: BLE001  the user's code: no signal may be lost because of it
                self._log.exception("the callback %s %s %s failed", shown(call.callback), when, number.name)
