"""Programs of the harness as units of a systemd."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.harness import READY, Program
from tests.systemd.namespaced import HEAD, Systemd

UNIT = "shop.service"


class Row(NamedTuple):
    """What a unit says of how its server is started and stopped."""

    type: str
    kill_mode: str

    @property
    def notifies(self) -> bool:
        """Whether systemd is told how things go."""
        return self.type.startswith("notify")

    def lines(self) -> dict[str, str]:
        """Those lines of its [Service] section."""
        reload = {} if self.type == "notify-reload" else {"ExecReload": "/bin/kill -HUP $MAINPID"}
        return {"Type": self.type, "KillMode": self.kill_mode, **reload}


class Service:
    """A program that systemd runs as shop.service. Pids in its log are those of systemd's pid namespace."""

    def __init__(self, systemd: Systemd, program: Program) -> None:
        self.systemd = systemd
        self.program = program

    def write(self, lines: Mapping[str, str], **settings: Any) -> None:
        """Writes the program and its unit, whose [Service] section gets these lines."""
        program = self.program
        program.deploy(**settings)
        environ = program.environment({"XDG_RUNTIME_DIR": ""})
        usual = {
            "WorkingDirectory": str(program.folder),
            "ExecStart": f"{program.python} {program.script}",
            "StandardOutput": f"append:{program.log}",
            "StandardError": f"append:{program.log}",
        }
        text = [f"{name}={value}" for name, value in {**usual, **lines}.items()]
        text += [f"Environment={name}={value}" for name, value in environ.items()]
        self.systemd.write(UNIT, "\n".join([HEAD, "[Service]", *text, ""]))

    def start(self, lines: Mapping[str, str], **settings: Any) -> Service:
        """The same, and starts it: systemctl returns when it is ready."""
        self.write(lines, **settings)
        self.systemd.ctl("start", UNIT)
        self.program.wait_for(READY)
        return self

    def reload(self) -> int:
        """Reloads it, waits until the next generation serves, and gives its number."""
        following = self.program.serving_generation + 1
        self.systemd.ctl("reload", UNIT)
        self.program.wait_generation(following)
        self.program.wait_for(rf"generation {following} \(pid \d+\) serves: retiring")
        return following

    def status(self) -> str:
        """What `systemctl status` shows; the command's own status says whether the unit is active."""
        return self.systemd.run("systemctl", "status", "--no-pager", "--full", UNIT).stdout

    def begin(self, word: str) -> subprocess.Popen[str]:
        """A `systemctl stop` or `systemctl reload` under way."""
        entering = self.systemd.entering("systemctl", word, UNIT)
        return subprocess.Popen(entering, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
