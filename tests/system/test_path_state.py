"""What counts as a change of a path: where a link leads, and what a directory has in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hotswap.system.path_state import difference, look_at


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with some files, reached by no link."""
    top = tmp_path.resolve() / "shop"
    (top / "pages").mkdir(parents=True)
    (top / "shop.py").write_text("1")
    (top / "pages" / "home.html").write_text("1")
    return top


def _write(name: str, text: str = "22") -> Callable[[Path], object]:
    def change(top: Path) -> None:
        path = top / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return change


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file": (_write("shop.py"), "shop.py"),
    "a file further down": (_write("pages/home.html"), "pages/home.html"),
    "a new file": (_write(".shop.py.Xa31"), ".shop.py.Xa31"),  # as rsync writes it
    "a file that is gone": (lambda top: (top / "shop.py").unlink(), "shop.py"),
    "a link": (lambda top: (top / "link").symlink_to("nowhere"), "link"),
    "its time": (lambda top: os.utime(top / "shop.py", (1, 1)), "shop.py"),
    "compiled": (_write("__pycache__/shop.pyc"), ""),
    "compiled beside": (_write("shop.pyc"), ""),
    "git": (_write(".git/HEAD"), ""),
    "a pipe": (lambda top: os.mkfifo(top / "pipe"), ""),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_directory(tree: Path, case: str) -> None:
    """What a deploy writes is a change, what the interpreter writes is none."""
    change, name = CHANGES[case]
    before = look_at(str(tree))
    change(tree)
    now = look_at(str(tree))
    assert before is not None
    assert now is not None
    assert (before.digest != now.digest) == bool(name)
    assert difference(before, now) == name


def test_many_files_are_not_all_named(tree: Path) -> None:
    """Three of them."""
    before = look_at(str(tree))
    for number in range(5):
        (tree / f"{number}.py").write_text("")
    assert difference(before, look_at(str(tree))) == "0.py, 1.py, 2.py and 2 more"


def test_a_link(tree: Path) -> None:
    """Where it leads; what is written there is no deploy."""
    link, other = tree.parent / "current", tree.parent / "other"
    link.symlink_to(tree)
    before = look_at(str(link))
    (tree / "log").write_text("much")
    assert look_at(str(link)) == before
    other.mkdir()
    link.unlink()
    assert look_at(str(link)) is None
    link.symlink_to(other)
    assert difference(before, look_at(str(link))) == f"it leads to {other}"


def test_below_a_link(tree: Path) -> None:
    """A directory of the release, or a file, by a path through the link: both matter."""
    link, other = tree.parent / "current", tree.parent / "other"
    link.symlink_to(tree)
    for name, file in (("pages", "home.html"), ("shop.py", "shop.py")):
        before = look_at(str(link / name))
        changed = tree / name if name == file else tree / name / file
        changed.write_text("333")
        assert difference(before, look_at(str(link / name))) == file
    before = look_at(str(link / "pages"))
    (other / "pages").mkdir(parents=True)
    link.unlink()
    link.symlink_to(other)
    assert difference(before, look_at(str(link / "pages"))) == f"it leads to {other}/pages"
