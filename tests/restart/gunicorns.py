"""gunicorn itself, unmodified, with hotswap.Worker: started with the test's program, and seen by its log."""

from __future__ import annotations

import re
import sys
from signal import SIGTERM

from tests import asking
from tests.eventually import DEADLINE, eventually
from tests.harness import Program
from tests.processes import alive
from tests.traffic import Traffic
from tests.traffic.answers import Answer
from tests.traffic.outcomes import Result

LISTENING = re.compile(r"Listening at: (\S+) \(\d+\)")
SERVING = re.compile(r"Worker serving \(pid: (\d+)\)")
#: What pip installs as bin/gunicorn. By `python -m` gunicorn cannot execute itself again (SIGUSR2): it would start
#: gunicorn/__main__.py, whose folder has an `http` of its own.
SCRIPT = "from gunicorn.app.wsgiapp import run\n\nrun()\n"
BOOTING = re.compile(r"Booting worker with pid: (\d+)")


class Gunicorn:
    """`python -m gunicorn -k hotswap.Worker` in a program's folder."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def start(self, *arguments: str, workers: int = 1, wait: bool = True, script: bool = False) -> Gunicorn:
        """Starts it, as a `script` or by `python -m`, and waits until so many workers serve."""
        path = self.program.folder / "run_gunicorn.py"
        path.write_text(SCRIPT)
        command = [sys.executable, *([str(path)] if script else ["-m", "gunicorn"])]
        # gunicorn's own default ends idle connections after 2 s.
        given = ["-k", "hotswap.Worker", "-w", str(workers), "--keep-alive", "75", "--control-socket", "control"]
        bind = () if "-b" in arguments else ("-b", "127.0.0.1:0")
        threads = () if "--threads" in arguments else ("--threads", "8")
        self.program.start(*given, *bind, *threads, *arguments, "app:app", command=command, ready=False)
        if wait:
            self.wait_serving(workers)
        return self

    @property
    def pid(self) -> int:
        """The arbiter."""
        return self.program.pid

    @property
    def addresses(self) -> list[str]:
        """Where it listens, as `tests.asking` and `tests.traffic` take it."""
        found = self.program.wait_for(LISTENING)
        return [re.sub("^https?://", "", address) for address in found[1].split(",")]

    @property
    def address(self) -> str:
        """The first of them."""
        return self.addresses[0]

    def get(self, path: str = "/") -> Answer:
        """Asks it on a new connection."""
        return asking.get(self.address, path)

    def traffic(self, **clients: int) -> Traffic:
        """Steady traffic; `one_shot` is the kind `one-shot`."""
        return Traffic(self.address, {name.replace("_", "-"): count for name, count in clients.items()})

    def booted(self) -> list[int]:
        """Every worker that was ever forked, in that order."""
        return [int(found[1]) for found in BOOTING.finditer(self.program.text())]

    def served(self) -> list[int]:
        """Every worker that has ever served, in that order."""
        return [int(found[1]) for found in SERVING.finditer(self.program.text())]

    def workers(self) -> list[int]:
        """Those that live."""
        return [pid for pid in self.booted() if alive(pid)]

    def wait_serving(self, number: int, *, without: tuple[int, ...] = (), deadline: float = DEADLINE) -> list[int]:
        """Waits until just so many workers live, all of them serve, and none is among `without`."""

        def settled() -> list[int] | None:
            served, living = set(self.served()), self.workers()
            assert living or alive(self.pid), f"gunicorn has ended:\n{self.program.shown()}"
            good = len(living) == number and served.issuperset(living) and not set(living) & set(without)
            return living if good else None

        return eventually(settled, f"not {number} workers", deadline=deadline)

    def stop(self) -> int:
        """TERM to the arbiter; its exit status, when no process is left."""
        self.program.send(SIGTERM, self.pid)
        status = self.program.wait_status()
        self.program.wait_gone(*self.booted())
        return status


def assert_nobody_noticed(result: Result) -> None:
    """Every request was answered, and the server closed nothing."""
    assert result.failures == {}, result
    assert result.closed_by_server == 0, result
    assert result.requests > 20, result
