"""Who is called at a step of a generation's life: gunicorn's hooks, the file watch, the program's callbacks."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable

from hotswap.events import CALLBACKS, When
from hotswap.logs import Log
from hotswap.settings.refusals import shown


class Calling:
    """Calls back on the main thread. Until `lenient` is set, which is when this generation serves, an exception fails
    the boot; later it is logged, because clients depend on what comes next."""

    def __init__(self, log: Log, *always: Callable[[str], object]) -> None:
        self._log = log
        self._always = always
        self.lenient = False

    def at(self, step: str, *arguments: object) -> None:
        """Call everybody who waits for this step."""
        own = [functools.partial(call, step) for call in self._always]
        for callback in (*own, *(functools.partial(each, *arguments) for each in CALLBACKS.at(step))):
            try:
                callback()
            except Exception:
                if not self.lenient:
                    raise
                self._log.exception("the callback %s at %r failed", shown(callback.func), step)

    def at_signal(self, number: signal.Signals, when: When) -> None:
        """Call everybody who waits for this signal."""
        for callback in CALLBACKS.at_signal(number, when):
            try:
                callback(number)
            except Exception:  # noqa: BLE001  the user's code: no signal may be lost because of it
                self._log.exception("the callback %s %s %s failed", shown(callback), when, number.name)
