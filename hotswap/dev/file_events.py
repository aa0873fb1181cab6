"""Alarms: they make the file watch look before its interval is over, when the kernel says that a file has changed.

An alarm decides nothing: one that misses an event costs at most the rest of the interval, one that rings for nothing a
look. The package watchfiles is optional; without it the watch looks every interval.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import threading
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Any

from hotswap.errors import SettingError

#: Called with the path of a file that has changed; on a thread of the alarm's.
Ring = Callable[[str], object]
#: How often watchfiles looks whether the kernel has said anything, and whether it is to end (milliseconds).
_STEP, _TIMEOUT = 20, 200


class Alarm:
    """A context manager, entered on the watching thread. This one never rings: the watch looks every interval."""

    name = "poll"

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    def __enter__(self) -> Alarm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def refresh(self, folders: Collection[str]) -> None:
        """Watch these folders, in which the watched files lie now. Called on the watching thread before every look."""


class Watchfiles(Alarm):
    """Rings by the package watchfiles: for what changes in the folders themselves, not in subfolders."""

    name = "watchfiles"

    def __enter__(self) -> Alarm:
        # By name, because the type checker too may run without the package.
        self._watch: Any = importlib.import_module("watchfiles").watch
        self._folders: frozenset[str] = frozenset()
        self._over = threading.Event()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def refresh(self, folders: Collection[str]) -> None:
        wanted = frozenset(filter(os.path.isdir, folders))
        if wanted != self._folders:
            self._over.set()
            self._folders, self._over = wanted, threading.Event()
            changes = self._watch(
                *wanted, watch_filter=None, recursive=False, debounce=_STEP, step=_STEP, rust_timeout=_TIMEOUT,
                yield_on_timeout=True, raise_interrupt=False, stop_event=self._over, ignore_permission_denied=True,
            )  # fmt: skip
            # On the watching thread: the look that follows must come when the folders are watched, or what changes
            # in between is noticed by neither.
            next(changes, None)
            threading.Thread(target=self._listen, args=(changes,), name="hotswap-alarm", daemon=True).start()

    def _listen(self, changes: Iterator[set[tuple[object, str]]]) -> None:
        """On a thread of its own, which ends with its event, or with an error: then the watch looks every interval."""
        for found in changes:
            for _, path in found:
                self._ring(path)


ALARMS: dict[str, type[Alarm]] = {"poll": Alarm, "watchfiles": Watchfiles}


def choose(reload_engine: str, reloader_type: str | None) -> str:
    """Return the name of the alarm that gunicorn's setting and werkzeug's argument ask for; the argument wins.

    All that is no polling is watchfiles, which asks the kernel. Raises SettingError if it is not installed, and asked
    for.
    """
    wanted = {None: reload_engine, "auto": reload_engine, "stat": "poll"}.get(reloader_type, reloader_type)
    if wanted == "poll":
        return "poll"
    installed = importlib.util.find_spec("watchfiles") is not None
    if wanted != "auto" and not installed:
        raise SettingError(
            f"to watch files by {wanted}, install watchfiles: pip install hotswap[dev], or leave that out"
        )
    return "watchfiles" if installed else "poll"
