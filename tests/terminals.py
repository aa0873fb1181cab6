"""A terminal with an interactive shell in it, which has job control: what is typed, and what is shown."""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from tests.harness import READY, Program

#: The prompt tells the status of the command before.
PROMPT = "status<$?> "
SHELLS: dict[str, Sequence[str]] = {
    "bash": ["bash", "--norc", "--noprofile", "--noediting", "-i"],
    "dash": ["dash", "-i"],
}


class Terminal:
    """A pseudo-terminal; what is shown there is appended to the program's log, so that one waits for it as for lines.

        with Terminal(program) as terminal:
            terminal.serve()              # python app.py, in front; waits until generation 1 serves
            terminal.type("\\x03")         # Ctrl-C
            assert terminal.status() == 0  # waits for the prompt

    `close()` is what an emulator does when its window is closed: the server's end hangs up.
    """

    def __init__(self, program: Program, shell: str = "bash", environ: Mapping[str, str] | None = None) -> None:
        self.program = program
        self._environ = program.environment(
            {"PWD": str(program.folder), "PS1": PROMPT, "TERM": "dumb", "ENV": "", **(environ or {})}
        )
        self.master, slave = os.openpty()
        self.name = os.ttyname(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._end, self._ends = os.pipe()
        self._mark = program.mark()
        try:
            # setsid(1) is no leader of a group here, so it does not fork: the shell has its pid.
            self.shell = subprocess.Popen(
                ["setsid", "--ctty", *SHELLS[shell]],
                cwd=program.folder,
                env=self._environ,
                stdin=slave,
                stdout=slave,
                stderr=slave,
            )
        finally:
            os.close(slave)
        program.started_below(self.shell)
        self._reader.start()
        self.status()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        with self.program.log.open("ab", buffering=0) as log:
            while True:
                ready, _, _ = select.select([self.master, self._end], [], [])
                if self._end in ready:
                    return
                try:
                    # As programs have written it: the terminal makes two characters of a line's end (termios(3)).
                    log.write(os.read(self.master, 65536).replace(b"\r", b""))
                except OSError:  # EIO: no process has it open any more
                    return

    def type(self, text: str) -> None:
        """Types; what is shown from here on is `since` this moment."""
        self._mark = self.program.mark()
        os.write(self.master, text.encode())

    def run(self, command: str) -> None:
        """Types a command, and Enter."""
        self.type(f"{command}\n")

    def serve(self, *arguments: str, prefix: str = "", suffix: str = "", **settings: Any) -> None:
        """Runs the program, with these arguments of Python in place of its script, and waits until it serves."""
        self.program.deploy(**settings)
        words = shlex.join([self.program.python, *(arguments or [str(self.program.script)])])
        self.run(f"{prefix} {words} {suffix}")
        self.program.wait_for(READY, since=self._mark)

    def shows(self, pattern: str) -> str:
        """Waits until something is shown that was not before the last that was typed; gives the first group of it."""
        found = self.program.wait_for(pattern, since=self._mark)
        return found[found.re.groups and 1]

    def status(self) -> int:
        """Waits for the prompt; gives the exit status of what ran before it."""
        return int(self.shows(r"status<(\d+)> "))

    def close(self) -> None:
        """The window is closed."""
        if self.master >= 0:
            os.write(self._ends, b"\0")
            self._reader.join()
            for fd in (self.master, self._end, self._ends):
                os.close(fd)
            self.master = -1
            self.shell.wait()
