"""By which path the user knows the directory a program was started in, and what is said where nothing tells."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hotswap.restart.directory import existing_directory, logical_directory, paths_in, physical_directory
from hotswap.restart.missed_links import doubt, interpreter_left_behind


@pytest.fixture
def srv(tmp_path: Path) -> Path:
    """Two releases with a folder in each, and `current`, which leads to the first of them."""
    srv = Path(os.path.realpath(tmp_path)) / "srv"
    for release in ("r1", "r2"):
        (srv / "releases" / release / "site").mkdir(parents=True)
    (srv / "current").symlink_to("releases/r1")
    return srv


def move(srv: Path) -> None:
    """Make `current` lead to the second release."""
    (srv / "current").unlink()
    (srv / "current").symlink_to("releases/r2")


def test_a_link_in_pwd_is_kept(srv: Path) -> None:
    """A shell that stands on a link says so; no other path is asked."""
    other = srv / "other"
    other.symlink_to("releases/r1")
    r1 = str(srv / "releases/r1")
    assert logical_directory(f"{srv}/current", r1, [f"{other}/app.py"]) == f"{srv}/current"


@pytest.mark.parametrize("pwd", ["", "/", "/not/there", ".", "current", "{}/releases/r2", "{}/releases/r1"])
@pytest.mark.parametrize("path", ["current", "current/venv/bin/python", "current/site/gunicorn.conf.py"])
def test_a_path_tells(srv: Path, pwd: str, path: str) -> None:
    """`$PWD` is missing, wrong, relative or the kernel's own word: a path that leads here by a link says more."""
    for folder in ("", "/site"):
        physical = f"{srv}/releases/r1{folder}"
        assert (
            logical_directory(pwd.format(srv), physical, ["/etc/passwd", f"{srv}/{path}"]) == f"{srv}/current{folder}"
        )


def test_a_link_that_leads_elsewhere_tells_nothing(srv: Path) -> None:
    """It was moved meanwhile, or belongs to another program; then the directory is as the kernel has it."""
    r1 = f"{srv}/releases/r1"
    move(srv)
    for pwd in ("", f"{srv}/current", "/", ".", r1):
        assert logical_directory(pwd, r1, [f"{srv}/current/app.py"]) == r1


def test_the_last_link_of_a_path_counts(srv: Path) -> None:
    """A whole tree behind a link, with a link to the release in it: the one that a deploy moves is the last."""
    data = srv.parent / "data"
    data.symlink_to("srv")
    assert logical_directory("", f"{srv}/releases/r1", [f"{data}/current/app.py"]) == f"{data}/current"
    assert logical_directory("", f"{srv}/releases/r2", [f"{data}/current/app.py"]) == f"{data}/releases/r2"


def test_a_name_that_only_begins_alike(srv: Path) -> None:
    """r1 is no directory above r10."""
    (srv / "releases/r10").mkdir()
    assert logical_directory("", f"{srv}/releases/r10", [f"{srv}/current"]) == f"{srv}/releases/r10"


def test_a_directory_that_is_gone(srv: Path) -> None:
    """An import must not fail for it."""
    assert logical_directory("/srv/current", "", []) == "/srv/current"
    assert logical_directory("", "", []) == "/"


def test_paths_in_a_command_line() -> None:
    """Absolute ones, also behind options in all the ways that they are written."""
    words = ["/p/python", "-m", "a", "-c/a.py", "-c", "/b.py", "--config=file:/c.py", "--chdir=/d", "x=/e", "unix:/f"]
    assert paths_in(words) == ["/p/python", "/a.py", "/b.py", "/c.py", "/d"]


@pytest.mark.parametrize(
    ("argv", "file", "directory"),
    [
        (["python", "app.py", "-v"], "/srv/app.py", "/srv"),
        (["python", "-X", "utf8", "./bin/../app.py"], "/srv/./bin/../app.py", "/srv"),
        (["python", "app.py"], "/app.py", "/"),
        (["python", "/srv/app.py"], "/srv/app.py", None),
        (["python", "-m", "app"], "/srv/app.py", None),
        (["python", "-m", "site"], "/srv/site/__main__.py", None),
        (["python", "-c", "import app"], "", None),
        (["python"], "", None),
    ],
)
def test_where_a_script_was_started(argv: list[str], file: str, directory: str | None) -> None:
    """A relative script tells it, though the program may have changed the directory since."""
    assert physical_directory(argv, file) == (os.getcwd() if directory is None else directory)


def test_a_deleted_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel does not say where it was."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert physical_directory(["python", "-m", "app"], "") == ""


def test_a_pruned_release_is_not_started_in(srv: Path) -> None:
    """Not where there is a chdir, which is where the program goes anyway; else the error says what is missing."""
    current = str(srv / "current")
    assert existing_directory(str(srv), current) == str(srv)
    assert existing_directory(f"{srv}/pruned", current) == current
    assert existing_directory(f"{srv}/pruned", "") == f"{srv}/pruned"


@pytest.mark.parametrize("pwd", ["", "/", ".", "/not/there"])
@pytest.mark.parametrize("folder", ["", "/site"])
def test_doubt(srv: Path, pwd: str, folder: str) -> None:
    """There is a link to here, and it may be the one that deploys move: what to set is said."""
    said = doubt(pwd, f"{srv}/releases/r1{folder}")
    assert f"was started in {srv}/releases/r1{folder}, " in said
    assert f"start with PWD={srv}/current{folder}, " in said
    assert (f"$PWD is {pwd!r}" if pwd else "$PWD is not set") in said


def test_doubt_about_a_link_that_was_moved_before_the_start(srv: Path) -> None:
    """The shell stood there since before the deploy, and `$PWD` means another release now."""
    move(srv)
    said = doubt(f"{srv}/current/site", f"{srv}/releases/r1/site")
    assert said.endswith(f"in {srv}/releases/r1/site again: start it anew in {srv}/current/site")


def test_no_doubt(srv: Path) -> None:
    """`$PWD` is right; or there is no link by which the program could have been started."""
    r1 = f"{srv}/releases/r1"
    assert doubt(r1, r1) == ""
    for folder in ("releases/r2", "releases"):
        # pytest itself makes a link to the folder above, which is said.
        assert f"{srv}/current" not in doubt("", f"{srv}/{folder}")
    assert doubt("", "/") == doubt("", "/usr/lib") == ""
    assert doubt("", "") == ""


def test_an_interpreter_named_by_its_resolved_path(srv: Path) -> None:
    """`activate` in current/venv puts releases/r1/venv/bin into $PATH: the next release would run with it."""
    python = f"{srv}/releases/r1/venv/bin/python"
    said = interpreter_left_behind(python, ["/usr/share", f"{srv}/current"])
    assert said.startswith(f"{python} lies in {srv}/releases/r1, and the program is started through {srv}/current: ")
    assert f"start it with {srv}/current/venv/bin/python (" in said
    assert interpreter_left_behind(python, [f"{srv}/current/app.py"]) == said


def test_an_interpreter_that_is_not_left_behind(srv: Path) -> None:
    """It goes through the link as well, lies elsewhere, or nothing goes through a link."""
    r1 = f"{srv}/releases/r1"
    assert interpreter_left_behind(f"{srv}/current/venv/bin/python", [f"{srv}/current"]) == ""
    assert interpreter_left_behind(f"{srv}/releases/r2/venv/bin/python", [f"{srv}/current"]) == ""
    assert interpreter_left_behind("/usr/bin/python3", [f"{srv}/current", "/bin/serve"]) == ""
    assert interpreter_left_behind(f"{r1}/venv/bin/python", [f"{r1}/app.py"]) == ""
