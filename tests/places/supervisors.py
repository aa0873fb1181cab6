"""Supervisors as their users set them up: what is written for each, and by which commands a service is told."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.documented import documented
from tests.harness import Program

#: What the page has where a test has its own command, and its own folder.
_COMMAND = "/srv/shop/venv/bin/hotswap run shop:app --bind 0.0.0.0:8000"
_FOLDER = "/srv/shop/current"
#: Where pip puts commands.
_BIN = Path(sys.executable).parent


class Supervisor(NamedTuple):
    """`write` makes its files, for a server that is started by `words`. The others are commands, run in the program's
    folder: `start` runs as long as the supervisor does; `hup` and `stop` tell it what to do with its one service.
    """

    write: Callable[[Program, Sequence[str]], object]
    start: Sequence[str]
    hup: Sequence[str]
    stop: Sequence[str]


def shown(title: str, program: Program, words: Sequence[str]) -> str:
    """The file that docs/where-it-runs.md shows, for a server that is started by `words` in the program's folder."""
    return documented("where-it-runs.md", title, {_COMMAND: shlex.join(words), _FOLDER: str(program.folder)})


def tell(program: Program, words: Sequence[str]) -> None:
    """Runs a command that talks to the supervisor, and which must succeed."""
    done = subprocess.run(words, cwd=program.folder, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{shlex.join(words)}: {done.stdout}{done.stderr}"


def _supervisord(program: Program, words: Sequence[str]) -> None:
    program.folder.joinpath("supervisord.conf").write_text(f"""
[unix_http_server]
file=supervisor.sock
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile=supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{program.folder}/supervisor.sock
{shown("supervisord.conf", program, words)}
redirect_stderr=true
stdout_logfile={program.log}
stdout_logfile_maxbytes=0
""")


def _service_directory(program: Program, words: Sequence[str]) -> None:
    """As runit's runsv and s6-supervise have it."""
    folder = program.folder / "shop"
    folder.mkdir()
    script = folder / "run"
    script.write_text(shown("run", program, words))
    script.chmod(0o755)


def _circus(program: Program, words: Sequence[str]) -> None:
    program.folder.joinpath("circus.ini").write_text(f"""
[circus]
endpoint = ipc://{program.folder}/circus.sock
pubsub_endpoint = ipc://{program.folder}/circus.pub
{shown("circus.ini", program, words)}
""")


def procfile(program: Program, words: Sequence[str]) -> None:
    """What honcho reads."""
    program.folder.joinpath("Procfile").write_text(f"web: {shlex.join(words)}\n")


def command(name: str, *words: str) -> list[str]:
    """One that pip has installed."""
    return [str(_BIN / name), *words]


_SUPERVISORCTL = command("supervisorctl", "-c", "supervisord.conf")
_CIRCUSCTL = command("circusctl", "--endpoint", "ipc://circus.sock")
SUPERVISORS: Mapping[str, Supervisor] = {
    "supervisord": Supervisor(
        _supervisord,
        command("supervisord", "-c", "supervisord.conf"),
        [*_SUPERVISORCTL, "signal", "HUP", "shop"],
        [*_SUPERVISORCTL, "stop", "shop"],
    ),
    "runit": Supervisor(
        _service_directory, ["runsv", "shop"], ["sv", "hup", "./shop"], ["sv", "-w", "20", "down", "./shop"]
    ),
    "s6": Supervisor(
        _service_directory,
        ["s6-supervise", "shop"],
        ["s6-svc", "-h", "shop"],
        ["s6-svc", "-d", "-wD", "-T", "20000", "shop"],
    ),
    "circus": Supervisor(
        _circus,
        command("circusd", "circus.ini"),
        [*_CIRCUSCTL, "reload", "shop"],
        [*_CIRCUSCTL, "stop", "shop", "--waiting"],
    ),
}
