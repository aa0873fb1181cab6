"""The wheels, with the extension in C and without it: each installs and serves on a machine that has no compiler."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from importlib.metadata import Distribution, distribution
from pathlib import Path
from signal import SIGTERM
from typing import NamedTuple

import pytest
import setuptools

from tests.asking import get
from tests.harness import ROOT, Program
from tests.live import starts_processes
from tests.traffic import Traffic

#: Without a network: pip must find all it needs here.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
WITHOUT_COMPILER = {"CC": "/bin/false", "CXX": "/bin/false"}
NOT_BUILT = "the extension in C is not built: install gcc and Python's headers, and hotswap again"


class Built(NamedTuple):
    """A wheel, and what its build said."""

    path: Path
    said: str

    @property
    def names(self) -> list[str]:
        """The files in it."""
        return zipfile.ZipFile(self.path).namelist()

    @property
    def facts(self) -> str:
        """What it says of itself."""
        archive = zipfile.ZipFile(self.path)
        return archive.read(next(name for name in self.names if name.endswith(".dist-info/WHEEL"))).decode()


Build = Callable[..., Built]


class Installed(NamedTuple):
    """The interpreter of an environment with a wheel, what that depends on, and nothing else; and the lane it is on."""

    python: Path
    lane: str


def run(command: list[str], folder: str = "/", **environ: str) -> subprocess.CompletedProcess[str]:
    """One that ends well. Nowhere does it find the sources, which pip would take for hotswap installed."""
    full = {**os.environ, **OFFLINE, "PYTHONPATH": "", **environ}
    return subprocess.run(command, cwd=folder, env=full, capture_output=True, text=True, timeout=50, check=True)


def pip(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The suite's own pip: the environments made here have none."""
    return run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], "/", **environ)


@pytest.fixture(scope="module")
def build(live: None, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds a wheel, with these variables, of the sources that would be published."""
    folder, tree = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("tree") / "tree"
    # A copy: setuptools puts an sdist together in the tree itself, where the suite's other process may do the same.
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__"))
    run([sys.executable, "-c", f"import setuptools.build_meta as b; b.build_sdist({str(folder)!r})"], str(tree))
    (sources,) = folder.glob("hotswap-*.tar.gz")

    def make(**environ: str) -> Built:
        wheels = tmp_path_factory.mktemp("wheels")
        options = ("--verbose", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(wheels))
        done = pip("wheel", *options, str(sources), **environ)
        return Built(next(wheels.glob("hotswap-*.whl")), done.stdout + done.stderr)

    return make


@pytest.fixture(scope="module")
def pure(build: Build) -> Built:
    """Built without a compiler."""
    return build(**WITHOUT_COMPILER)


@pytest.fixture(scope="module")
def compiled(build: Build) -> Built:
    """Built with one."""
    built = build()
    if "is missing or fails" in built.said and not os.environ.get("CI"):
        pytest.skip("no C compiler is here: on Debian, apt-get install gcc python3-dev")
    return built


@pytest.fixture(scope="module", params=["pure", "compiled"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Each of both."""
    return install(request.getfixturevalue(request.param), tmp_path_factory.mktemp(request.param), request.param)


def install(built: Built, folder: Path, kind: str) -> Installed:
    """In a new environment, whose other packages are links to those of the suite."""
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = folder / "bin" / "python"
    install = ("install", "--quiet", "--no-deps", str(built.path))
    pip("--python", str(python), *install, PATH=str(python.parent))
    site = next((folder / "lib").glob("python*/site-packages"))
    needed: dict[str, Distribution] = {}
    gather(Distribution.at(next(site.glob("hotswap-*.dist-info"))), needed)
    for each in needed.values():
        link(each, site)
    return Installed(python, "C" if kind == "compiled" else f"Python, because {NOT_BUILT}")


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


@pytest.fixture
def unwanted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """setup.py's function of that name, in an environment that asks for nothing."""
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    monkeypatch.delenv("HOTSWAP_PURE", raising=False)
    found: Callable[[], str] = runpy.run_path(str(ROOT / "setup.py"))["unwanted"]
    return found


def test_interpreters_that_get_no_extension(unwanted: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython with the GIL does, whatever others that no machine of ours has do not."""
    assert unwanted() == ""
    with monkeypatch.context() as patch:
        patch.setattr(sysconfig, "get_config_var", {"Py_GIL_DISABLED": 1}.get)
        assert unwanted() == "this Python runs without the GIL, on which the extension relies"
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    assert unwanted() == "this is pypy, and the extension is for CPython"


@starts_processes
def test_the_wheel_without_a_compiler(pure: Built) -> None:
    """It is for any machine, and its build says in a sentence what is missing and what to do."""
    assert pure.path.name.endswith("-py3-none-any.whl")
    assert "Root-Is-Purelib: true\nTag: py3-none-any\n" in pure.facts
    assert [name for name in pure.names if name.endswith((".so", ".c", ".h"))] == []
    assert (
        "hotswap is built as Python alone, because the C compiler, /bin/false, is missing or fails: "
        "for the extension in C, install gcc and Python's headers (Debian: gcc python3-dev), and hotswap again\n"
    ) in pure.said


@starts_processes
def test_the_wheel_with_one(compiled: Built) -> None:
    """It is for this Python on this machine, and has what was compiled, without the sources."""
    assert re.search(rf"-cp3{sys.version_info[1]}-cp3{sys.version_info[1]}-linux_\w+\.whl$", compiled.path.name)
    assert "Root-Is-Purelib: false\n" in compiled.facts
    found = [name.partition(".")[0] for name in compiled.names if name.endswith((".so", ".c", ".h"))]
    assert found == [f"hotswap/engine/native/{name}" for name in ("access_log", "heads", "lane")]
    assert "built as Python alone" not in compiled.said


@starts_processes
def test_the_wheel_that_is_wanted_without(build: Build) -> None:
    """HOTSWAP_PURE is for who builds wheels for machines that are not this one."""
    built = build(HOTSWAP_PURE="1")
    assert built.path.name.endswith("-py3-none-any.whl")
    assert "hotswap is built as Python alone, because HOTSWAP_PURE is set\n" in built.said


@starts_processes
def test_it_installs_where_there_is_no_compiler(installed: Installed) -> None:
    """pip finds its requirements fulfilled. The command says which lane it is on."""
    python, lane = installed
    assert "No broken requirements found." in pip("--python", str(python), "check", **WITHOUT_COMPILER).stdout
    version = run([str(python.with_name("hotswap")), "--version"]).stdout
    assert version.endswith(f", lane: {lane})\n"), version


def test_it_serves_and_restarts(program: Program, installed: Installed) -> None:
    """Under traffic, which notices nothing. The log says at the first start why it is Python alone, and only there."""
    python, lane = installed
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
    assert re.findall(r"gen=(\d) pid=\d+ hotswap \S+ \(gunicorn \S+, lane: (C|Python)\) for ", program.text()) == [
        (generation, lane.partition(",")[0]) for generation in "123"
    ]
    said = f"requests are served in Python alone ({NOT_BUILT})"
    found = re.findall(r"gen=(\d) pid=\d+ " + re.escape(said), program.text())
    assert found == ([] if lane == "C" else ["1"])
    program.settle()
    assert program.stop() == 0


def test_the_same_inside_gunicorn(program: Program, installed: Installed) -> None:
    """Its arbiter says it, once; and does not start with http_parser = "fast", where it would fail at each request."""
    python, lane = installed
    command = [str(python), "-m", "gunicorn", "-k", "hotswap.Worker", "-b", "127.0.0.1:0", "app:app"]
    bare = {"PYTHONPATH": "", "PATH": str(python.parent), "CC": "/bin/false"}
    program.start("--http-parser", "fast", command=command, environ=bare, ready=False)
    assert program.wait_status() == 1
    assert "Error: gunicorn_h1c not installed but http_parser='fast'" in program.text()
    mark = program.mark()
    program.start("-w", "2", "--control-socket", "control", command=command, environ=bare, ready=False)
    address = program.wait_for(r"Listening at: http://(\S+) ", since=mark)[1]
    assert get(address, "/version").body == b"1"
    said = f"hotswap.Worker serves requests in Python alone ({NOT_BUILT})"
    assert program.text().count(said) == (lane != "C")
    program.send(SIGTERM, program.pid)
    assert program.wait_status() == 0
