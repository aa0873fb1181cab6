"""The manifest of docs/kubernetes.md, without Kubernetes: its command is pid 1, its probe asks, and SIGTERM comes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from signal import SIGTERM

from hotswap.settings import from_command_line
from tests.documented import documented
from tests.eventually import eventually
from tests.harness import Program
from tests.places.test_containers import pid_1
from tests.restart.test_refusals import namespace

__all__ = ["namespace"]


def value(name: str) -> str:
    """What the manifest has behind that name."""
    found = re.search(rf"\b{name}: ([^,}}\s]+)", documented("kubernetes.md", "shop.yaml"))
    assert found
    return found[1]


def words() -> list[str]:
    """The container's command: a YAML list, in which a plain word needs no quotes."""
    found = re.search(r"command: \[([^]]+)\]", documented("kubernetes.md", "shop.yaml"))
    assert found
    return [word.strip('"') for word in re.split(r",\s+", found[1])]


def test_there_is_time_to_stop() -> None:
    """Kubernetes kills after the server has had all its own time."""
    cfg, application = from_command_line(words()[2:], {})
    assert application == "shop:app"
    assert int(value("terminationGracePeriodSeconds")) > cfg.lame_duck + cfg.graceful_timeout


def test_a_pod_is_stopped(program: Program, namespace: Sequence[str]) -> None:
    """It is ready, then it is not and still serves, and then it ends by itself."""
    changes = {"0.0.0.0:8000": "127.0.0.1:0", "10": "1"}
    probe = value("path")
    program.deploy()
    (program.folder / "shop.py").symlink_to(program.script)
    program.start(command=[*namespace, program.python, "-m", *(changes.get(word, word) for word in words())])
    assert program.get(probe).status == 200
    os.kill(pid_1(program), SIGTERM)
    eventually(lambda: program.get(probe).status == 503, "it is ready still")
    assert program.get("/").status == 200
    assert program.wait_status() == 0
