"""What makes the file watch look before its interval is over: the kernel's word that something has changed.

An alarm decides nothing, so one that misses an event, or rings for nothing, costs at most the rest of the interval.
Both packages are optional; who has none of them waits for the next look.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import threading
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any

from hotswap.errors import SettingError

#: Called with the path, or only the name, of a file that something was done to.
Ring = Callable[[str], object]


class Alarm:
    """Rings never: the watch looks every interval. A context manager."""

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
        """These folders hold what is watched now; called before every look."""


class Watchdog(Alarm):
    """The package watchdog, for what lies in the folders themselves, and for changes only.

    Not werkzeug's WatchdogReloaderLoop: it watches the whole standard library with its subfolders, and hears of every
    file that is *read* there. With watchdog 7 that overflows the kernel's queue, and what is done about that does too.
    """

    name = "watchdog"

    def __enter__(self) -> Alarm:
        # By name, because the package is optional to the type checker as well.
        events = importlib.import_module("watchdog.events")
        kinds = ("FileCreatedEvent", "FileModifiedEvent", "FileMovedEvent", "FileDeletedEvent")
        self._filter = [getattr(events, kind) for kind in kinds]
        self._known: set[str] = set()
        self._observer = importlib.import_module("watchdog.observers").Observer()
        self._observer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._observer.stop()
        self._observer.join()

    def refresh(self, folders: Collection[str]) -> None:
        for folder in set(folders) - self._known:
            self._known.add(folder)
            # It may be gone, or one too many for fs.inotify.max_user_watches.
            with contextlib.suppress(OSError):
                self._observer.schedule(self, folder, recursive=False, event_filter=self._filter)

    def dispatch(self, event: Any) -> None:
        """What watchdog calls (FileSystemEventHandler.dispatch), on a thread of its own."""
        self._ring(str(event.dest_path or event.src_path))


class Inotify(Alarm):
    """gunicorn's InotifyReloader, a thread that never ends: its `run` is written anew, to end when it is told to."""

    name = "inotify"

    def __enter__(self) -> Alarm:
        from gunicorn.reloader import InotifyReloader

        over = self._over = threading.Event()

        class Reloader(InotifyReloader):  # type: ignore[misc]  # gunicorn has no type information
            folders: Collection[str] = ()

            def get_dirs(self) -> set[str]:
                return set(self.folders)

            def run(self) -> None:
                # None once a second, when nothing has happened (inotify.adapters).
                for event in self._watcher.event_gen():
                    if over.is_set():
                        return
                    if event is not None:
                        self._callback(event[3])

        self._reloader: Any = Reloader(callback=self._ring)
        self._reloader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def refresh(self, folders: Collection[str]) -> None:
        self._reloader.folders = folders
        # InotifyError, whose base differs between versions: one folder too many for fs.inotify.max_user_watches.
        with contextlib.suppress(Exception):
            self._reloader.refresh_dirs()


ALARMS: dict[str, type[Alarm]] = {"poll": Alarm, "watchdog": Watchdog, "inotify": Inotify}


def choose(reload_engine: str, reloader_type: str | None) -> str:
    """The alarm that gunicorn's setting and werkzeug's argument ask for; the latter wins. Raises SettingError."""
    wanted = {None: reload_engine, "auto": reload_engine, "stat": "poll"}.get(reloader_type, reloader_type)
    if wanted == "auto":
        return next((name for name in ("watchdog", "inotify") if _installed(name)), "poll")
    if wanted in ("watchdog", "inotify") and not _installed(wanted):
        raise SettingError(f"to watch files with {wanted}, install it: pip install {wanted}, or leave that out")
    assert wanted is not None
    return wanted


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
