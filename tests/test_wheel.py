"""The wheel where there is no compiler: it installs, serves and restarts, without gunicorn_h1c."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.asking import get
from tests.harness import ROOT, Program
from tests.live import starts_processes
from tests.traffic import Traffic

#: As on an image without a compiler, and without a network: pip must find all it needs here.
BARE = {"CC": "/bin/false", "CXX": "/bin/false", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}


def pip(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The suite's own pip: the environments made here have none."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    return subprocess.run(
        command, env={**os.environ, **BARE, **environ}, capture_output=True, text=True, timeout=50, check=True
    )


@pytest.fixture(scope="module")
def python(live: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, what that depends on, and nothing else."""
    wheels, folder = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("bare")
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=50)
    python = folder / "bin" / "python"
    install = ("install", "--quiet", "--no-deps", *map(str, wheels.glob("hotswap-*.whl")))
    pip("--python", str(python), *install, PATH=str(python.parent))
    site = next((folder / "lib").glob("python*/site-packages"))
    needed: dict[str, Distribution] = {}
    gather(Distribution.at(next(site.glob("hotswap-*.dist-info"))), needed)
    for each in needed.values():
        link(each, site)
    return python


def gather(asking: Distribution, found: dict[str, Distribution]) -> None:
    """What it needs, and what that needs, as it is installed here; extras are not asked for."""
    for text in asking.requires or []:
        wanted, _, marker = text.partition(";")
        name = re.split(r"[^\w.-]", wanted, maxsplit=1)[0]
        if "extra" not in marker and name not in found:
            found[name] = distribution(name)
            gather(found[name], found)


def link(installed: Distribution, site: Path) -> None:
    """Have an installed distribution in another environment: its packages, its modules and what pip knows of it."""
    tops = {file.parts[0] for file in installed.files or [] if file.parts[0] not in ("..", "__pycache__")}
    for top in tops:
        (site / top).symlink_to(Path(str(installed.locate_file(top))))


def names(folder: Path) -> Iterator[str]:
    """Everything that could be a compiler there."""
    return (path.name for path in folder.iterdir() if re.search(r"cc$|gcc|clang|c\+\+|ld$|make", path.name))


@starts_processes
def test_it_installs_without_a_compiler(python: Path) -> None:
    """pip finds its requirements fulfilled, and none of them is gunicorn_h1c."""
    assert "No broken requirements found." in pip("--python", str(python), "check").stdout
    assert list(names(python.parent)) == []
    missing = subprocess.run([python, "-c", "import gunicorn_h1c"], capture_output=True, text=True, timeout=30)
    assert "No module named 'gunicorn_h1c'" in missing.stderr
    version = subprocess.run([python.with_name("hotswap"), "--version"], capture_output=True, text=True, timeout=30)
    assert version.stdout.endswith(", head parser: Python)\n"), version


def test_it_serves_and_restarts(program: Program, python: Path) -> None:
    """Under traffic, which notices nothing. The log says at the first start how heads are parsed, and only there."""
    bare = {"PYTHONPATH": "", "PATH": str(python.parent), "CC": "/bin/false"}
    command = [str(python.with_name("hotswap")), "run", "app:app", "-b", "127.0.0.1:0"]
    program.start(command=command, environ=bare)
    # A slow writer's head comes in pieces, and moves to the next generation half read.
    clients = {"keep-alive": 4, "one-shot": 2, "pipelining": 1, "uploader": 1, "slow-writer": 2, "idle": 4}
    with Traffic(program.address, clients, seconds=30) as traffic:
        for _ in range(2):
            program.restart()
            traffic.restarted()
    result = traffic.result()
    assert (result.failures, result.closed_by_server) == ({}, 0), result
    said = "request heads are parsed in Python (gunicorn_h1c is not installed: pip install 'hotswap[fast]')"
    assert re.findall(r"gen=(\d) pid=\d+ " + re.escape(said), program.text()) == ["1"]
    program.settle()
    assert program.stop() == 0


def test_the_same_inside_gunicorn(program: Program, python: Path) -> None:
    """Its arbiter says it, once; and does not start with http_parser = "fast", where it would fail at each request."""
    command = [str(python), "-m", "gunicorn", "-k", "hotswap.Worker", "-b", "127.0.0.1:0", "app:app"]
    bare = {"PYTHONPATH": "", "PATH": str(python.parent), "CC": "/bin/false"}
    program.start("--http-parser", "fast", command=command, environ=bare, ready=False)
    assert program.wait_status() == 1
    assert "Error: gunicorn_h1c not installed but http_parser='fast'" in program.text()
    mark = program.mark()
    program.start("-w", "2", "--control-socket", "control", command=command, environ=bare, ready=False)
    address = program.wait_for(r"Listening at: http://(\S+) ", since=mark)[1]
    assert get(address, "/version").body == b"1"
    assert (
        program.text().count("hotswap.Worker parses request heads in Python (gunicorn_h1c is not installed: pip") == 1
    )
    program.send(SIGTERM, program.pid)
    assert program.wait_status() == 0
