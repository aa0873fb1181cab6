"""The file watch of `debug=True` and `reload=True`: a changed file makes a hot restart.

werkzeug says which files are watched (`werkzeug._reloader._find_stat_paths`, 3.1: the files of imported modules and
every Python file below sys.path, less the interpreter's own), so that a module that cannot be imported yet is watched
too; gunicorn's `reloader.Reloader` knows imported modules only. werkzeug's loop is not used: StatReloaderLoop.run_step
ends the process at the first file that is *newer*. Here the process serves on, and a file replaced by an older one has
changed as well.

No save is lost at a swap: a successor looks for the first time before it says that it is ready, and its predecessor
looks for the last time after it has read that. A SIGHUP that this last look causes is passed on to the successor.
"""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from hotswap.dev import file_events
from hotswap.log import Log
from hotswap.settings import Config
from hotswap.settings.upstream import gunicorn_util

#: Saves that are closer together than this are one change (seconds): editors and formatters write several files.
QUIET = 0.1
#: How long further changes may put a restart off (seconds): some file may be written all the time.
PATIENCE = 2.0
#: How many files a log line names.
NAMED = 3

Signature = tuple[int, int]

_FRAME = re.compile(r'^\s*File "([^"<>]+)", line \d+', re.MULTILINE)
_LIBRARY = re.compile(r"[/\\](?:site|dist)-packages[/\\]")
_STANDARD = os.path.dirname(os.__file__) + os.sep


class WatchPlan(NamedTuple):
    """Which files are watched beside the program's modules, and how.

    `extra`: files, directories, or patterns (glob). `exclude`: patterns (fnmatch). `interval`: seconds between looks.
    """

    extra: frozenset[str]
    exclude: frozenset[str]
    interval: float
    engine: str

    @classmethod
    def of(cls, cfg: Config) -> WatchPlan:
        """Return the plan that gunicorn's settings and `app.run()`'s arguments ask for.

        Raises SettingError for a missing package.
        """
        arguments: dict[str, Any] = cfg.run_arguments
        extra = {os.fspath(path) for path in (*cfg.reload_extra_files, *arguments.get("extra_files", ()))}
        if cfg.env_file is not None:
            extra.add(cfg.env_file)
        return cls(
            extra=frozenset(os.path.abspath(path) for path in extra),
            exclude=frozenset(map(os.fspath, arguments.get("exclude_patterns", ()))),
            interval=float(arguments.get("reloader_interval", 1.0)),
            engine=file_events.choose(cfg.reload_engine, arguments.get("reloader_type")) if cfg.reload else "poll",
        )


class WatchedFiles:
    """The watched files, and which of them have changed since the last look.

    Thread: one thread at a time, except `failed()`, which another thread may call meanwhile.
    """

    def __init__(self, plan: WatchPlan) -> None:
        self._plan = plan
        self._known: dict[str, Signature | None] = {}
        #: files of successors that failed: this process may not have imported them
        self._also: set[str] = set()
        self._failures: deque[dict[str, Signature | None]] = deque()
        #: a restart was asked for, or has failed: from then on a new file may be the missing one
        self.unsettled = False

    @property
    def folders(self) -> set[str]:
        """The folders of the watched files, without those of installed packages, which change seldom."""
        return {os.path.dirname(path) for path in self._known if not _LIBRARY.search(path)}

    def failed(self, text: str, files: Collection[str]) -> None:
        """A successor failed: watch also the files that its traceback names, and the files of its modules.

        Called on the main thread.
        """
        also = {os.path.abspath(path) for path in (*_FRAME.findall(text), *files)}
        # As they are now: when the watching thread looks at them, one may be mended already.
        self._failures.append({path: _signature(path) for path in also})

    def changes(self) -> set[str]:
        """Return the files that have changed since the last look; one that is missing now counts when it is back."""
        while self._failures:
            self._know(self._failures.popleft())
        try:
            paths = self._paths()
        except FileNotFoundError:
            # The current directory was deleted; a checkout may be about to make it anew.
            return set()
        now = {path: signature for path in paths if (signature := _signature(path)) is not None}
        changed = {path for path, signature in now.items() if self._known.get(path, signature) != signature}
        if self.unsettled:
            changed |= self._came_or_went(now)
        self._known.update(now)
        return changed

    def _know(self, failing: Mapping[str, Signature | None]) -> None:
        self._known = {**failing, **self._known}
        self._also.update(failing)
        self.unsettled = True

    def _came_or_went(self, now: Mapping[str, Signature]) -> set[str]:
        """Return the files that are new or gone: they may be what was wrong. Not those that were only imported late."""
        gone = {path for path, before in self._known.items() if before is not None and path not in now}
        self._known.update(dict.fromkeys(gone))
        return gone | now.keys() - self._known.keys() - _loaded()

    def _paths(self) -> Iterable[str]:
        from werkzeug._reloader import _find_stat_paths

        # werkzeug leaves out all files below sys.base_prefix (_iter_module_paths, _stat_ignore_scan), which is /usr for
        # a distribution's Python: a program in /usr/src or /usr/local is watched all the same.
        own = {path for path in _loaded() if not path.startswith(_STANDARD) and not _LIBRARY.search(path)}
        return _find_stat_paths(own | self._also | _expanded(self._plan.extra), set(self._plan.exclude))


class FileWatch:
    """Calls `restart` when a file has changed; does nothing unless `reload` is on.

    `at(step)` follows the steps of a generation's life: the watch remembers the files at "starting", looks from "ready"
    or "resumed" on, on a daemon thread, looks for the last time at "retiring", and ends at "draining". It calls
    `restart` on that thread, and never after `close()`. The methods are for the main thread. The constructor raises
    SettingError for a missing package.
    """

    def __init__(self, cfg: Config, log: Log, restart: Callable[[], object]) -> None:
        self._plan = WatchPlan.of(cfg)
        self._wanted = bool(cfg.reload)
        self._files = WatchedFiles(self._plan)
        self._log = log
        self._restart = restart
        self._wake = threading.Event()
        self._last = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def at(self, step: str) -> None:
        """Follow a step of the server's life (`callbacks.STEPS`)."""
        if not self._wanted:
            return
        if step == "starting":
            self._files.changes()
        elif step in ("ready", "resumed"):
            self._start()
        elif step == "retiring":
            self._last.set()
            self._wake.set()
        elif step == "draining":
            self._stop()

    def failed(self, text: str, files: Collection[str]) -> None:
        """A successor failed with this text, and had imported modules from these files: watch them too."""
        if self._wanted:
            self._files.failed(text, files)

    def close(self) -> None:
        """End the watch and wait for its thread: the caller is about to close the signal queue that `restart` uses."""
        self._stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _start(self) -> None:
        if self._thread is not None:
            # The successor is lost, and the last look may still be under way.
            self._thread.join()
        self._last.clear()
        self._over.clear()
        # The first look is at once: no alarm rang for changes since the files were remembered.
        self._wake.set()
        self._thread = threading.Thread(target=self._run, name="hotswap-watch", daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        self._over.set()
        self._wake.set()

    # on the thread

    def _run(self) -> None:
        try:
            with contextlib.ExitStack() as stack:
                alarm = self._alarm(stack)
                self._log.info("watching files (%s)", alarm.name)
                last = False
                while not last and not self._over.is_set():
                    self._rest()
                    # Read before the look: a look that began before the step "retiring" is not the last one.
                    last = self._last.is_set()
                    alarm.refresh(self._files.folders)
                    self._look()
        except Exception:  # noqa: BLE001  (whatever goes wrong with files: the log must say so, and the server serve on)
            self._log.exception("files are not watched any more, after an error: restart with SIGHUP")

    def _alarm(self, stack: contextlib.ExitStack) -> file_events.Alarm:
        try:
            return stack.enter_context(file_events.ALARMS[self._plan.engine](self._ring))
        except Exception as error:  # noqa: BLE001  (fs.inotify.max_user_instances, a package for another Python)
            self._log.warning("%s does not work here (%r): looking at files every interval", self._plan.engine, error)
            return stack.enter_context(file_events.Alarm(self._ring))

    def _ring(self, path: str) -> None:
        """Called on an alarm's thread when a file has changed: wake the watching thread if it may be a watched file."""
        name = os.path.basename(path)
        if any(fnmatch.fnmatch(name, os.path.basename(entry)) for entry in ("*.py", "*.pyc", *self._plan.extra)):
            self._wake.set()

    def _rest(self) -> None:
        """Wait for a reason to look, and QUIET after a ring: an alarm that rings all the time must not take all CPU."""
        if not self._last.is_set() and self._wake.wait(self._plan.interval) and not self._last.is_set():
            self._over.wait(QUIET)
        self._wake.clear()

    def _look(self) -> None:
        changed = set() if self._over.is_set() else self._files.changes()
        if changed:
            changed |= self._settle()
            self._files.unsettled = True
            if not self._over.is_set():
                self._log.info("restarting for %s", _in_words(changed))
                self._restart()

    def _settle(self) -> set[str]:
        """Wait until no file changes any more; return those that have changed meanwhile."""
        changed: set[str] = set()
        for _ in range(int(PATIENCE / QUIET)):
            # Once a successor serves, it should learn of the change before it looks for the next one itself.
            if self._last.is_set() or self._over.wait(QUIET):
                break
            more = self._files.changes()
            if not more:
                break
            changed |= more
        return changed


def _expanded(extra: Iterable[str]) -> set[str]:
    """Return paths as they are, and for patterns what they match now (as gunicorn.reloader.ReloaderBase.get_files)."""
    found: set[str] = set()
    for entry in extra:
        found.update(glob.glob(entry, recursive=True) if gunicorn_util.is_glob_pattern(entry) else [entry])
    return found


def _loaded() -> set[str]:
    """Return the files of the imported modules, the main script among them."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {os.path.abspath(file) for file in files if isinstance(file, str)}


def _signature(path: str) -> Signature | None:
    """Return what differs once a file was saved; None if there is no file. Without the inode: some network file systems
    change it."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _in_words(changed: Iterable[str]) -> str:
    names = sorted(changed)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
