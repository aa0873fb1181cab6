"""A real systemd for a test: pid 1 of namespaces of its own, with units that the test writes.

Its processes, mounts under /run and /sys/fs/cgroup, and cgroups are its own; files elsewhere and the network are the
test's, so that clients reach what a unit serves. A boot takes 0.3 s.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.processes import descendants
from tests.restart.notify_socket import NotifySocket

BOOT = Path(__file__).with_name("boot.sh")
#: The first lines of a unit that is started: there is no sysinit.target here.
HEAD = "[Unit]\nDefaultDependencies=no\n"
IN_NAMESPACES = ["unshare", "--mount", "--cgroup", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
TRIES = """
mount --make-rprivate / && mount -t tmpfs t /run && mount -t tmpfs t /mnt && mount -t cgroup2 c /mnt &&
rmdir $(mktemp -d /mnt/hotswap-try-XXXXXX)
"""


def why_not() -> str:
    """Why no systemd can be booted here; "" if it can."""
    if os.geteuid():
        return "only root can boot a systemd"
    tried = subprocess.run([*IN_NAMESPACES, "sh", "-c", TRIES], capture_output=True, text=True)
    return f"no namespaces for a systemd here: {tried.stderr.strip()}" if tried.returncode else ""


class Systemd:
    """A systemd with a folder for its units and its log. `boot()` it, `end()` it."""

    def __init__(self, folder: Path) -> None:
        self._units = folder / "units"
        self._units.mkdir(parents=True)
        self._notify = folder / "booted"
        self._log = folder / "systemd.log"
        self.write("idle.target", HEAD)

    def boot(self) -> None:
        """Starts it, and waits until it says that it has come up."""
        environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self._log.touch()
        with NotifySocket(str(self._notify)) as booted, self._log.open("ab") as log:
            command = ["unshare", "--mount", "sh", str(BOOT), str(self._units), str(self._log)]
            self._popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**environ, **booted.environ}
            )
            said = booted.next()
            while "READY" not in said.names:
                said = booted.next()
        (self._pid,) = (process.pid for process in descendants(self._popen.pid) if is_systemd(process.pid))

    def end(self) -> None:
        """Kills it, with all of its processes, and waits until its cgroup is gone."""
        os.kill(self._pid, signal.SIGKILL)
        eventually(lambda: self._popen.poll() is not None, "systemd does not end")

    def write(self, name: str, text: str) -> None:
        """A unit; one that systemd knows already is read anew by `systemctl daemon-reload` only."""
        path = self._units / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def entering(self, *command: str) -> list[str]:
        """The command that runs another one beside systemd."""
        return ["nsenter", "-t", str(self._pid), "-m", "-p", "-C", "-u", "-i", "--", *command]

    def run(self, *command: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """What a root shell beside systemd would run, with its output."""
        return subprocess.run(
            self.entering(*command),
            capture_output=True,
            text=True,
            timeout=40,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(environ or {})},
        )

    def ctl(self, *words: str) -> str:
        """The output of `systemctl WORDS`, which must succeed."""
        done = self.run("systemctl", *words)
        assert done.returncode == 0, f"systemctl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.ctl("show", "--value", "--property", name, unit).strip()

    def processes(self, unit: str) -> list[int]:
        """The pids, as systemd counts them, of a unit's processes."""
        group = self.show(unit, "ControlGroup")
        # A unit that does not run has none.
        listed = self.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").stdout if group else ""
        return [int(line) for line in listed.split()]

    def text(self) -> str:
        """What it has logged."""
        return self._log.read_text(errors="replace")


def is_systemd(pid: int) -> bool:
    """Whether that process is one."""
    return Path(f"/proc/{pid}/comm").read_text() == "systemd\n"


def skip_unless_possible() -> None:
    """Skips the test where no systemd can be booted."""
    if why := why_not():
        pytest.skip(why)
