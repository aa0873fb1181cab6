"""Three versions of a program, "first", "older" and "newer", that stand at chosen steps of their boot: for BELOW."""

from __future__ import annotations

import os
import sys
from typing import Any

import hotswap
from tests.apps.gates import gate


class _Attempt:
    """What this process is called, and where it stands until the gate there is opened."""

    name = ""
    steps: tuple[str, ...] = ()


def attempt(name: str, *steps: str) -> None:
    """This version is called so; its steps are bind, check, accept, rename (of its pid file) and serve."""
    _Attempt.name, _Attempt.steps = name, steps
    hotswap.on("starting")(lambda _server: stand("bind"))
    hotswap.on("begin")(lambda _address: stand("accept"))
    sys.addaudithook(_audit)
    rename = os.rename

    def renamed(source: Any, target: Any, **more: Any) -> None:
        rename(source, target, **more)
        if str(target).endswith("/pid"):
            stand("serve")

    os.rename = renamed  # type: ignore[assignment]


def stand(step: str) -> None:
    """Stands here, if it was told to."""
    if step in _Attempt.steps:
        print(_Attempt.name, "has pid", os.getpid(), flush=True)
        gate(f"{_Attempt.name} before {step}")


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "os.rename" and str(arguments[1]).endswith("/pid"):
        stand("rename")
    if event == "subprocess.Popen" and os.path.exists("hold"):
        gate("start")


def is_broken() -> None:
    """It binds nothing any more."""

    @hotswap.on("starting")
    def starting(_server: object) -> None:
        raise RuntimeError("newer is broken")
