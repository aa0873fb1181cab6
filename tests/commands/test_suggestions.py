"""What a mistake on the command line is answered with: what may be meant."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from hotswap.cli.application_file import instead_of_file, is_file
from hotswap.cli.main import COMMANDS, main, usage
from hotswap.cli.run_application import must_be_module
from hotswap.cli.suggestions import OTHER_WORDS, instead_of_command
from hotswap.errors import SettingError
from hotswap.settings.command_parser import CommandParser, suggestion


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["reload"], "restart"),
        (["reload", "shop", "--timeout", "3"], "restart shop --timeout 3"),
        (["RELOAD"], "restart"),
        (["restrat"], "restart"),
        (["statsu"], "status"),
        (["sotp"], "stop"),
        (["kill", "shop"], "stop --now shop"),
        (["ps"], "status"),
        (["versoin"], "--version"),
        (["serve", "shop:app"], "run shop:app"),
        (["shop:app", "-w", "4"], "run shop:app -w 4"),
        (["shop.wsgi:create_app('x y')"], """run 'shop.wsgi:create_app('"'"'x y'"'"')'"""),
        (["--host", "0.0.0.0", "shop:app"], "run --host 0.0.0.0 shop:app"),
        (["-b", ":80"], "run -b :80"),
        (["--verson"], "--version"),
        (["--hlep"], "--help"),
        (["help"], "--help"),
        (["help", "run"], "run --help"),
        (["-V"], "--version"),
    ],
)
def test_commands(words: list[str], meant: str) -> None:
    """Another server's word, a misspelt one, and what belongs behind `hotswap run`; the rest of the line stays."""
    assert instead_of_command(words[0], words[1:], COMMANDS) == f"did you mean hotswap {meant}?"


@pytest.mark.parametrize("word", ["frobnicate", "x", "42"])
def test_nothing_is_meant(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Then the usage is shown."""
    assert instead_of_command(word, [], COMMANDS) == ""
    assert main([word]) == 2
    err = capsys.readouterr().err
    assert err == f"{usage()}\n\nhotswap: there is no command {word!r}\n"


def test_other_words_lead_to_commands() -> None:
    """None is a command itself, and each names one, or an option of ours."""
    assert not OTHER_WORDS.keys() & COMMANDS.keys()
    assert {words.split()[0] for words in OTHER_WORDS.values()} <= {
        *COMMANDS,
        "--help",
        "--version",
        "--print-completion",
    }


def test_a_suggestion_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The usage would hide it; exit 2."""
    assert main(["reload"]) == 2
    assert capsys.readouterr().err == "hotswap: there is no command 'reload': did you mean hotswap restart?\n"


FLASK = "import flask\nshop = flask.Flask(__name__)\n"
FACTORY = "def create_app():\n    return None\n"
SERVES = "import hotswap\nfrom shop import app\nif __name__ == '__main__':\n    hotswap.serve(app)\n"


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("app.py", None, "write hotswap run app:app"),
        ("app.py", FLASK, "write hotswap run app:shop"),
        ("app.py", FACTORY, "write hotswap run 'app:create_app()'"),
        ("app.py", "application = object()\napp = 1\n", "write hotswap run app:application"),
        ("app.py", "def (", "write hotswap run app:app"),
        ("app.py", SERVES, "it calls hotswap.serve() itself, so start it with python app.py"),
        ("app.py:site", FLASK, "write hotswap run app:site"),
        ("app.py:site", SERVES, "write hotswap run app:site"),
        ("src/shop/app.py", FLASK, "write hotswap run src.shop.app:shop"),
        ("./src/shop/__init__.py", FLASK, "write hotswap run src.shop:shop"),
        ("src/shop:app", None, "write hotswap run src.shop:app"),
        ("../shop/app.py", None, "write hotswap run --chdir ../shop app:app"),
        ("/app.py", None, "write hotswap run --chdir / app:app"),
    ],
)
def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str | None, words: str) -> None:
    """The module and the application in the file, with the directory to start in; or python, where it serves itself."""
    monkeypatch.chdir(tmp_path)
    if source is not None:
        path = Path(name.partition(":")[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    assert is_file(name)
    assert instead_of_file(name) == words


@pytest.mark.parametrize("name", ["shop:app", "shop.app:create('a/b.py')", "shop", "shop.pyx:app"])
def test_modules(name: str) -> None:
    """What is no file's name goes its way."""
    assert not is_file(name)
    must_be_module(name)


def test_a_file_is_no_application() -> None:
    """`hotswap run app.py` says so before it loads anything."""
    with pytest.raises(SettingError, match=r"^none\.py is a file, and no module: write hotswap run none:app$"):
        must_be_module("none.py")


OPTIONS = ["-w", "--workers", "--worker-class", "--threads", "--timeout"]


@pytest.mark.parametrize(
    ("words", "words_meant"),
    [
        (["--worksers"], ": did you mean --workers?"),
        (["--worksers=4", "--thread"], ": did you mean --workers, --threads?"),
        (["--uds", "/run/s"], ": did you mean --bind unix:PATH?"),
        (["--frobnicate", "-x", "4"], ""),
    ],
)
def test_options(words: list[str], words_meant: str) -> None:
    """One that is misspelt, and what other servers call it."""
    assert suggestion(words, OPTIONS, {"--uds": "--bind unix:PATH"}) == words_meant


def test_a_misspelt_option(capsys: pytest.CaptureFixture[str]) -> None:
    """argparse's message, and what is meant; exit 2. Other mistakes are told as argparse tells them."""
    parser = CommandParser(prog="hotswap stop", exit_on_error=True)
    parser.add_argument("--timeout", type=float)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--timeuot", "3"])
    assert caught.value.code == 2
    assert "unrecognized arguments: --timeuot 3: did you mean --timeout?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parser.parse_args(["--timeout", "long"])
    assert "argument --timeout: invalid float value: 'long'\n" in capsys.readouterr().err
    assert isinstance(parser, argparse.ArgumentParser)
