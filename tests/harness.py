"""A server as a real process: a program in a folder, started, restarted, stopped, and its log read.

    program.start()                        # waits until generation 1 serves
    program.deploy(version="2")            # rewrites the file
    program.restart()                      # HUP, waits until generation 2 serves
    assert program.get("/version").body == b"2"
    program.settle()                       # waits until generation 1 has gone
    assert program.stop() == 0             # TERM, waits until no process is left

What a generation says of itself is taken from the log, where each line has `gen=N pid=P`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGHUP, SIGTERM, Signals
from typing import Any

from tests import asking
from tests.eventually import DEADLINE, eventually
from tests.processes import alive, has_living_descendants, look, reap
from tests.traffic.answers import Answer

ROOT = Path(__file__).resolve().parent.parent
APPS = ROOT / "tests" / "apps"
PLAIN = APPS / "plain.py"
READY = re.compile(r"gen=(\d+) pid=(\d+) serving at (\S+?),?(?:\s|$)")
IDENTITY = re.compile(r"gen=(\d+) pid=(\d+)")
LOG_LINES_SHOWN = 200
DEFAULT: Any = object()
"""Given for a setting, it takes the setting out again."""


class Program:
    """One program in a folder of its own, all its generations, and the log they share."""

    def __init__(self, folder: Path, *, python: str = sys.executable) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.script = folder / "app.py"
        self.log = folder / "server.log"
        self.python = python
        self._popen: subprocess.Popen[bytes] | None = None
        self._constants: dict[str, Any] = {
            "VERSION": "1",
            "ADDRESS": "127.0.0.1:0",
            "SETTINGS": {},
            "ABOVE": [],
            "BELOW": [],
            "LAST": [],
        }
        self._text = PLAIN.read_text()
        self._writes = 0
        self._statuses: dict[int, int] = {}

    # What is served.

    def deploy(
        self,
        *,
        version: str | None = None,
        app: str | None = None,
        text: str | None = None,
        address: Any = None,
        above: Any = None,
        below: Any = None,
        last: Any = None,
        **settings: Any,
    ) -> None:
        """Rewrites the program: it is tests/apps/APP.py, or this text, with these constants (SETTINGS are added to).

        `above`, `below` and `last` are steps as plain.py has them; [] takes them out again.
        """
        if app is not None:
            text = (APPS / f"{app}.py").read_text()
        self._text = self._text if text is None else text
        given = {"VERSION": version, "ADDRESS": address, "ABOVE": above, "BELOW": below, "LAST": last}
        self._constants.update({name: value for name, value in given.items() if value is not None})
        settings = {**self._constants["SETTINGS"], **settings}
        self._constants["SETTINGS"] = {name: value for name, value in settings.items() if value is not DEFAULT}
        self.write(self.script, self._filled())

    def _filled(self) -> str:
        lines = self._text.splitlines()
        for number, line in enumerate(lines):
            name = re.split(r"[:\s]", line, maxsplit=1)[0]
            if name in self._constants and re.match(r"\w+(: [^=]*)? = ", line):
                lines[number] = f"{name} = {self._constants[name]!r}"
        return "\n".join([*lines, ""])

    def write(self, path: Path, text: str) -> None:
        """Replaces a file as a careful deploy does: no process ever reads half of it.

        The time of modification grows by a second each time: Python tells by second and size that what it has
        compiled is old, and a test deploys several times within a second.
        """
        self._writes += 1
        aside = path.with_name(path.name + ".new")
        aside.write_text(text)
        when = int(aside.stat().st_mtime) - 1000 + self._writes
        os.utime(aside, (when, when))
        aside.replace(path)

    # Its processes.

    def start(
        self,
        *arguments: str,
        command: Sequence[str] | None = None,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        ready: bool = True,
        **settings: Any,
    ) -> Program:
        """Starts `python app.py ARGUMENTS` (or `command`) and waits until it serves, unless `ready` is false.

        `environ` is added to a small environment, where an empty value takes a variable out. `settings` as in
        `deploy`.
        """
        self.deploy(**settings)
        mark = self.mark()
        argv = [*(command or [self.python, str(self.script)]), *arguments]
        with self.log.open("ab") as log:  # appending, because every generation writes into it
            self._popen = subprocess.Popen(
                argv,
                cwd=folder or self.folder,
                env=self.environment({"PWD": str(folder or self.folder), **(environ or {})}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if ready:
            self.wait_for(READY, since=mark)
        return self

    def started_below(self, shell: subprocess.Popen[bytes]) -> None:
        """A test starts it by that process, which is `pid` then."""
        self._popen = shell

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """The environment a program is started with."""
        run = self.folder / "run"
        run.mkdir(mode=0o700, exist_ok=True)
        plain = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "XDG_RUNTIME_DIR": str(run),
        }
        return {name: value for name, value in {**plain, **more}.items() if value}

    @property
    def pid(self) -> int:
        """The process that was started; generation 1."""
        assert self._popen is not None, "not started"
        return self._popen.pid

    def generations(self) -> dict[int, int]:
        """The pid of each generation that ever served."""
        return {int(found[1]): int(found[2]) for found in READY.finditer(self.text())}

    def pids(self) -> list[int]:
        """The first process and every one that said anything in the log, in the order of appearance."""
        said = [int(found[2]) for found in IDENTITY.finditer(self.text())]
        return list(dict.fromkeys([self.pid, *said]))

    def alive(self) -> list[int]:
        """Those of them that still run."""
        return [pid for pid in self.pids() if alive(pid)]

    @property
    def serving_generation(self) -> int:
        """The generation that became ready last."""
        return int(list(READY.finditer(self.text()))[-1][1])

    @property
    def serving_pid(self) -> int:
        """The process that became ready last."""
        return int(list(READY.finditer(self.text()))[-1][2])

    def send(self, number: Signals, pid: int | None = None) -> None:
        """Sends a signal to one of the program's processes: the one that serves, if none is named."""
        whom = self.serving_pid if pid is None else pid
        # Not to a pid that the log merely mentions: it must be of this test's processes.
        assert whom == self.pid or self._is_ours(whom), f"{whom} is no process of this program"
        os.kill(whom, number)

    def _is_ours(self, pid: int) -> bool:
        while (process := look(pid)) is not None and process.parent > 1:
            if process.parent == os.getpid():
                return True
            pid = process.parent
        return False

    def hup(self) -> None:
        """Asks the process that serves for a restart."""
        self.send(SIGHUP)

    def restart(self, *, deadline: float = DEADLINE) -> int:
        """Restarts, waits until the next generation serves and the one before has begun to leave, and gives its number.

        Workers of the one before may answer until they have heard of it: `settle()`.
        """
        following = self.serving_generation + 1
        self.hup()
        self.wait_generation(following, deadline=deadline)
        # Until then both may answer.
        self.wait_for(rf"generation {following} \(pid \d+\) serves: retiring", deadline=deadline)
        return following

    def settle(self, *, deadline: float = DEADLINE) -> int:
        """Waits until only the generation that serves is left; gives its pid."""
        # Asked anew each time: a remembered HUP may have made one more generation.
        eventually(lambda: self.alive() == [self.serving_pid], "older generations have not left", deadline=deadline)
        return self.serving_pid

    def stop(self, number: Signals = SIGTERM, *, deadline: float = DEADLINE) -> int | None:
        """Signals the process that serves, waits until all have ended, and gives its exit status.

        None if its parent, an older generation, was still there to read that: `settle()` first to be told.
        """
        pid = self.serving_pid
        self.send(number, pid)
        self.wait_gone(*self.pids(), deadline=deadline)
        return self.status(pid)

    def wait_gone(self, *pids: int, deadline: float = DEADLINE) -> None:
        """Waits until these processes have ended."""
        eventually(lambda: not [pid for pid in pids if alive(pid)], f"{pids} still run", deadline=deadline)

    def wait_status(self, *, deadline: float = DEADLINE) -> int:
        """Waits until the process that was started has ended, and gives its exit status."""
        self.wait_gone(self.pid, deadline=deadline)
        status = self.status(self.pid)
        assert status is not None
        return status

    def status(self, pid: int) -> int | None:
        """The exit status of a generation that has ended, -N for signal N; None while its parent runs."""
        if self._popen is not None and pid == self._popen.pid:
            return self._popen.poll()
        if pid not in self._statuses and (status := reap(pid)) is not None:
            self._statuses[pid] = status
        return self._statuses.get(pid)

    # Its log.

    def text(self) -> str:
        """The whole log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def mark(self) -> int:
        """A place in the log: what comes later is `since` it."""
        return len(self.text())

    def wait_for(self, pattern: str | re.Pattern[str], *, since: int = 0, deadline: float = DEADLINE) -> re.Match[str]:
        """Waits until the log has the pattern behind the mark; gives up at once when no process is left."""
        regex = re.compile(pattern)

        def search() -> re.Match[str] | None:
            writer_left = has_living_descendants(os.getpid())
            found = regex.search(self.text(), since)  # only now: the last words may just have been written
            assert found or writer_left, f"no {regex.pattern!r} in the log, and no process is left to write it"
            return found

        found = eventually(search, f"no {regex.pattern!r} in the log", deadline=deadline)
        assert found is not None
        return found

    def wait_generation(self, number: int, *, deadline: float = DEADLINE) -> int:
        """Waits until that generation serves; gives its pid."""
        return int(self.wait_for(rf"gen={number} pid=(\d+) serving at ", deadline=deadline)[1])

    def shown(self) -> str:
        """The end of the log, for the report of a test that failed."""
        return "\n".join(self.text().splitlines()[-LOG_LINES_SHOWN:])

    # Its clients.

    @property
    def url(self) -> str:
        """Where it serves, as the log says: `http://127.0.0.1:4242` or `unix:/path`; the first of several."""
        found = READY.search(self.text())
        assert found is not None, "it does not serve yet"
        return found[3]

    @property
    def address(self) -> str:
        """The same without `http://` or `https://`."""
        return self.url.removeprefix("http://").removeprefix("https://")

    @property
    def port(self) -> int:
        """The port of it."""
        return int(self.address.rpartition(":")[2])

    def get(self, path: str = "/", *fields: str, timeout: float = 10.0) -> Answer:
        """Asks it on a new connection."""
        return asking.get(self.address, path, *fields, timeout=timeout)
