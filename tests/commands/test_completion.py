"""`hotswap --print-completion`: a script that the shell understands, and by which bash completes."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hotswap.cli import completion
from hotswap.cli.main import COMMANDS, main
from tests.commands.conftest import Bench
from tests.harness import ROOT
from tests.live import starts_processes

#: Calls what `complete -F` names, as bash does after a Tab, and prints what it offers.
COMPLETE = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_shtab_hotswap 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash, in a file."""
    path = tmp_path_factory.mktemp("completion") / "hotswap"
    path.write_text(completion.script("bash", COMMANDS))
    return path


def offered(script: Path, *words: str, environ: dict[str, str] | None = None) -> list[str]:
    """What bash offers for the last of these words."""
    text = COMPLETE.format(script=shlex.quote(str(script)), words=shlex.join(words))
    command = ["bash", "--norc", "--noprofile", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environ, cwd=script.parent)
    return done.stdout.split()


@starts_processes
def test_bash_understands_it(script: Path) -> None:
    """bash -n reads it without an error."""
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


@starts_processes
def test_bash_completes(script: Path) -> None:
    """Commands, options of the one that is typed, and their words."""
    assert offered(script, "hotswap", "re") == ["restart", "reopen"]
    assert offered(script, "hotswap", "restart", "--no") == ["--no-wait"]
    assert {"--worker-class", "--workers", "--workers-lifetime"} <= set(offered(script, "hotswap", "run", "--worker"))
    assert offered(script, "hotswap", "--print-completion", "z") == ["zsh"]


def test_bash_completes_servers(bench: Bench, script: Path, tmp_path: Path) -> None:
    """Their names, from `hotswap status --names`; a pid file has one, too."""
    bench.server("shop")
    bench.server("blog")
    (tmp_path / "hotswap").write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m hotswap "$@" --run-dir {shlex.quote(bench.run_dir)}\n'
    )
    (tmp_path / "hotswap").chmod(0o755)
    environ = {**bench.environ, "PATH": f"{tmp_path}:{bench.environ['PATH']}"}
    assert offered(script, "hotswap", "stop", "sh", environ=environ) == ["shop"]
    assert offered(script, "hotswap", "restart", "", environ=environ)[:2] == ["blog", "shop"]


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Has a script with every command in it."""
    assert main(["--print-completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("words", [[], ["fish"], ["bash", "zsh"]])
def test_no_shell(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The shells that there are scripts for are named; exit 2."""
    assert main(["--print-completion", *words]) == 2
    assert capsys.readouterr() == ("", "hotswap --print-completion: name a shell: bash, zsh, tcsh\n")


def test_without_shtab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What to install is said; exit 1."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["--print-completion", "bash"]) == 1
    said = "hotswap --print-completion: this needs shtab: pip install 'hotswap[completion]'\n"
    assert capsys.readouterr() == ("", said)


def test_the_extra_is_in_the_project() -> None:
    """By the name that the sentence has."""
    assert '\ncompletion = ["shtab>=' in (ROOT / "pyproject.toml").read_text()
