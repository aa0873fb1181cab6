"""The command line as a whole: help, mistakes, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from hotswap.cli.main import COMMANDS, GROUPS, main, usage
from hotswap.engine.native import choice
from tests.commands.conftest import Bench
from tests.harness import ROOT
from tests.live import starts_processes


@pytest.mark.parametrize("argv", [["--help"], ["-h"]])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command is named."""
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)


def test_every_command_is_documented() -> None:
    """Each is in the table of the page; --help has them in groups."""
    table = (ROOT / "docs" / "commands.md").read_text().partition("\n## ")[0]
    assert [name for name in COMMANDS if f"`{name}`" not in table] == []
    help_text = usage()
    assert [title for title in GROUPS if f"\n{title}:\n" not in help_text] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command has help of its own."""
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert f"usage: hotswap {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [([], "hotswap: a command is missing"), (["reload"], "hotswap: there is no command 'reload'")],
)
def test_mistakes(argv: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that makes no sense shows the usage and exits with 2."""
    assert main(argv) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--version"], ["-v"]])
def test_version(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Ours, gunicorn's, and the lane that requests would be served on here."""
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert text == f"hotswap {version('hotswap')} (gunicorn {version('gunicorn')}, lane: {choice.NAME})\n"


@starts_processes
def test_nothing_but_its_name() -> None:
    """`hotswap` alone, as it is typed first of all, shows the usage too."""
    result = subprocess.run([sys.executable, "-m", "hotswap"], capture_output=True, text=True, timeout=30)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: hotswap COMMAND")
    assert result.stderr.endswith("hotswap: a command is missing\n")


@pytest.mark.parametrize("name", ["restart", "stop", "status"])
def test_looking_at_a_server_does_not_import_one(bench: Bench, name: str) -> None:
    """What only `hotswap run` needs is not paid for by the commands that an operator types."""
    code = (
        "import sys; from hotswap.cli.main import main; "
        f"main([{name!r}, 'nobody', '--run-dir', {bench.run_dir!r}]); "
        "print([name for name in sys.modules if name.startswith(('gunicorn', 'werkzeug', 'hotswap.engine'))])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=bench.environ)
    assert result.stdout == "[]\n"


def test_a_closed_pipe(bench: Bench) -> None:
    """`hotswap status | head -0`: no process reads, and no traceback says so."""
    bench.server()
    command = bench.start("status")
    assert command.process.stdout is not None
    command.process.stdout.close()
    assert command.process.wait(15) == 1
    assert command.process.stderr is not None
    assert command.process.stderr.read() == b""
