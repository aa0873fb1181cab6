"""A second process that does what a test tells it, line by line: for what only shows between processes."""

from __future__ import annotations

import ast
import os
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0  # seconds

_LOOP = """
import ast, sys
names = {"__name__": "process"}
for line in sys.stdin:
    kind, code = ast.literal_eval(line)
    try:
        answer = eval(code, names) if kind == "ask" else exec(code, names)
        reply = "ok", answer
    except Exception as error:  # whatever it is, the test wants to see it
        reply = "error", f"{type(error).__name__}: {error}"
    print(repr(reply), flush=True)
"""


class OtherProcess:
    """A Python process with `fds` inherited under their own numbers; killed when its block ends.

    `within` is a command that runs it, `before` a function that its child runs before it becomes Python.
    """

    def __init__(self, *fds: int, before: Callable[[], object] | None = None, within: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*within, sys.executable, "-c", _LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=fds,
            cwd=ROOT,
            preexec_fn=before,  # noqa: PLW1509  (tests have no threads)
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdin
        assert self._process.stdout
        self._orders, self._answers = self._process.stdin, self._process.stdout
        self._told = ""
        self.pid = self._process.pid

    def do(self, code: str) -> None:
        """Run statements in it; AssertionError if they raise."""
        self._tell("do", code)
        self.answer()

    def ask(self, expression: str) -> Any:
        """The value of an expression in it, which must be a literal."""
        self._tell("ask", expression)
        return self.answer()

    def begin(self, code: str) -> None:
        """Let it run statements and do not wait for their end; `answer` does."""
        self._tell("do", code)

    def answer(self) -> Any:
        """The answer to what it was told last."""
        poll = select.poll()  # select() refuses descriptors over 1023
        poll.register(self._answers, select.POLLIN)
        assert poll.poll(DEADLINE * 1000), f"no answer within {DEADLINE} s to {self._told!r}"
        line = self._answers.readline()
        assert line, f"the process ended (status {self._process.wait(DEADLINE)}) at {self._told!r}"
        outcome, answer = ast.literal_eval(line)
        assert outcome == "ok", f"{self._told!r} raised {answer}"
        return answer

    def _tell(self, kind: str, code: str) -> None:
        self._told = code
        self._orders.write(f"{(kind, code)!r}\n")
        self._orders.flush()

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._process.kill()
        self._process.wait(DEADLINE)

    def __enter__(self) -> OtherProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._orders.close()
        self._answers.close()
