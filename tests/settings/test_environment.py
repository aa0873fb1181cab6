"""Directory, search path and environment as settings name them; the files are read anew each time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswap.errors import SettingError
from hotswap.settings import from_keywords
from hotswap.settings.env_file import read_env_file
from hotswap.settings.envdir import read_envdir
from hotswap.settings.environment import additions, enter


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Directory, sys.path and environment are put back after the test."""
    monkeypatch.chdir(os.getcwd())
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("SHOP_A", "SHOP_B", "SHOP_C"):
        monkeypatch.setenv(name, "before")


def test_env_file(tmp_path: Path) -> None:
    """KEY=VALUE lines with comments, export, quotes and spaces are read as a shell user means them."""
    file = tmp_path / "app.env"
    file.write_text(
        "# a comment\n\nA=1\nexport B = two words \nE=\nF=a#b\nG=a #b\nH=x=y\n"
        'C="with # hash and \\"quotes\\""\nD=\'raw \\n $x\' # said\n'
    )
    assert read_env_file(str(file), {}) == {
        "A": "1",
        "B": "two words",
        "C": 'with # hash and "quotes"',
        "D": "raw \\n $x",
        "E": "",
        "F": "a#b",
        "G": "a",
        "H": "x=y",
    }


@pytest.mark.parametrize("line", ["no assignment", "=value", "A B=c", "A='not closed", "A=a\0b"])
def test_wrong_line_in_env_file(tmp_path: Path, line: str) -> None:
    """A line that is no assignment is named by file and number."""
    file = tmp_path / "app.env"
    file.write_text(f"A=1\n{line}\n")
    with pytest.raises(SettingError) as caught:
        read_env_file(str(file), {})
    assert f"{file} line 2 is no KEY=VALUE" in str(caught.value)


def test_variables_in_the_env_file(tmp_path: Path) -> None:
    """Those above, and those of the first generation's environment, whatever this process has made of its own."""
    file = tmp_path / "app.env"
    file.write_text("KEY\nA=1\nB=${A}2${HOME_}\nPATH=${PATH}:/more\nC=${NONE:-default}${NONE}\nD='two\nlines'\n")
    assert read_env_file(str(file), {"PATH": "/bin", "HOME_": "/root"}) == {
        "A": "1",
        "B": "12/root",
        "PATH": "/bin:/more",
        "C": "default",
        "D": "two\nlines",
    }


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence with the remedy."""
    monkeypatch.setitem(sys.modules, "dotenv.parser", None)
    with pytest.raises(SettingError, match=r"without python-dotenv: pip install hotswap\[dotenv\]"):
        read_env_file(str(tmp_path / "app.env"), {})


@given(st.text(st.characters(codec="utf-8", exclude_characters="\\\r\0'$")))
def test_single_quotes_keep_everything(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    """Whatever stands between single quotes is the value, to the letter."""
    file = tmp_path_factory.getbasetemp() / "quoted.env"
    file.write_text(f"A='{value}'\n", encoding="utf-8")
    assert read_env_file(str(file), {}) == {"A": value}


def test_envdir(tmp_path: Path) -> None:
    """A file is a variable, its first line the value; dot files, directories and empty files are none."""
    (tmp_path / "SHOP_A").write_text("one\ntwo\n")
    (tmp_path / "SHOP_B").write_text("no newline")
    (tmp_path / "BLANK").write_text("\n")
    (tmp_path / "EMPTY").write_text("")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "directory").mkdir()
    assert read_envdir(str(tmp_path)) == {"SHOP_A": "one", "SHOP_B": "no newline", "BLANK": ""}


def test_additions_are_read_anew(tmp_path: Path) -> None:
    """What the files say now counts, a removed file is gone, and the directory wins over the file."""
    file, directory = tmp_path / "app.env", tmp_path / "env"
    directory.mkdir()
    file.write_text("SHOP_A=file\nSHOP_B=file\n")
    (directory / "SHOP_A").write_text("directory\n")
    cfg = from_keywords({"env_file": file, "envdir": str(directory)})
    assert additions(cfg, {}) == {"SHOP_A": "directory", "SHOP_B": "file"}
    (directory / "SHOP_A").unlink()
    file.write_text("SHOP_A=changed\n")
    assert additions(cfg, {}) == {"SHOP_A": "changed"}


@pytest.mark.parametrize("setting", ["env_file", "envdir"])
def test_files_that_went_away(tmp_path: Path, setting: str) -> None:
    """What was there at the start and is not at a restart is a sentence."""
    path = tmp_path / "thing"
    path.mkdir() if setting == "envdir" else path.touch()
    cfg = from_keywords({setting: str(path)})
    path.rmdir() if setting == "envdir" else path.unlink()
    with pytest.raises(
        SettingError, match=rf"cannot read {setting} .* \(No such file or directory\): correct {setting}"
    ):
        additions(cfg, {})


@pytest.mark.usefixtures("surroundings")
def test_enter(tmp_path: Path) -> None:
    """Directory and search paths are entered, variables set; raw_env wins over the file."""
    (tmp_path / "site").mkdir()
    (tmp_path / "app.env").write_text("SHOP_A=file\nSHOP_B=file\n")
    cfg = from_keywords(
        {
            "chdir": str(tmp_path / "site"),
            "pythonpath": f"lib,{tmp_path}/more",
            "env_file": str(tmp_path / "app.env"),
            "raw_env": ["SHOP_B=raw", "SHOP_C="],
        }
    )
    enter(cfg, {})
    assert os.getcwd() == str(tmp_path / "site")
    assert sys.path[:3] == [f"{tmp_path}/more", f"{tmp_path}/site/lib", f"{tmp_path}/site"]
    assert [os.environ[name] for name in ("SHOP_A", "SHOP_B", "SHOP_C")] == ["file", "raw", ""]


@pytest.mark.usefixtures("surroundings")
def test_enter_does_nothing_by_itself() -> None:
    """Where nothing is given, directory and search path stay as the program has them."""
    before = (os.getcwd(), list(sys.path), dict(os.environ))
    enter(from_keywords({}), {})
    assert (os.getcwd(), list(sys.path), dict(os.environ)) == before


@pytest.mark.usefixtures("surroundings")
def test_wrong_raw_env() -> None:
    """A raw_env without = is a sentence."""
    with pytest.raises(SettingError, match=r"raw_env cannot be .*: it takes texts such as KEY=VALUE"):
        enter(from_keywords({"raw_env": ["SHOP_A"]}), {})
