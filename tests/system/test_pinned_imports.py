"""What is imported after a link was moved comes from where the link led before."""

from __future__ import annotations

import importlib
import importlib.resources
import os
import pkgutil
import sys
import types
from pathlib import Path

import pytest

from hotswap.restart.pinned_imports import pin_imports


@pytest.fixture
def current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A link to the first of two releases, on sys.path, of which a package and a module are imported."""
    for name in ("r1", "r2"):
        package = tmp_path / name / "a_package"
        package.mkdir(parents=True)
        for file in (package / "__init__.py", package / "late.py", tmp_path / name / "a_module.py"):
            file.write_text(f"RELEASE = '{name}'\n")
        (package / "data.txt").write_text(name)
        (tmp_path / name / "a_namespace").mkdir()
        (tmp_path / name / "a_namespace" / "late.py").write_text(f"RELEASE = '{name}'\n")
    current = tmp_path / "current"
    current.symlink_to("r1")
    monkeypatch.setattr(sys, "path", [str(current), *sys.path])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr(sys, "executable", sys.executable)
    for name in ("a_package", "a_module", "a_namespace"):
        importlib.import_module(name)
    return current


def move(current: Path) -> None:
    """To the second release."""
    current.unlink()
    current.symlink_to("r2")
    importlib.invalidate_caches()


def test_what_is_found_later(current: Path) -> None:
    """Submodules, data beside a module, and modules that nothing was known of."""
    pin_imports([])
    move(current)
    for name in ("a_package.late", "a_namespace.late"):
        assert importlib.import_module(name).RELEASE == "r1"
    del sys.modules["a_module"]
    assert importlib.import_module("a_module").RELEASE == "r1"
    assert importlib.resources.files("a_package").joinpath("data.txt").read_text() == "r1"
    assert pkgutil.get_data("a_package", "data.txt") == b"r1"
    assert Path(sys.modules["a_package"].__file__ or "").with_name("data.txt").read_text() == "r1"


def test_without_it(current: Path) -> None:
    """The same would be the next release's; so the test above tests something."""
    move(current)
    assert importlib.import_module("a_package.late").RELEASE == "r2"


def test_what_the_kernel_had_counts(current: Path) -> None:
    """A link that was moved since the directory was entered: the old release's, for all that goes through it."""
    (current.parent / "r1" / "site").mkdir()
    move(current)
    pin_imports([(f"{current}/site", f"{current.parent}/r1/site")])
    assert sys.path[0] == str(current.parent / "r1")
    assert importlib.import_module("a_package.late").RELEASE == "r1"


def test_what_goes_through_no_link_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative entries follow the directory, and what is no text is another finder's."""
    entries = ["", "lib", str(tmp_path), tmp_path, b"bytes", "/not/there"]
    monkeypatch.setattr(sys, "path", list(entries))
    monkeypatch.setattr(sys, "modules", {**sys.modules, "none": None, "object": object(), "class": dict})
    pin_imports([(str(tmp_path), str(tmp_path))])
    assert sys.path == entries


def test_the_interpreter_of_subprocesses(current: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """multiprocessing and subprocess start it: that of the same release, whose virtual environment it finds beside."""
    (current / "bin").mkdir()
    (current / "bin" / "python").symlink_to("/usr/bin/python3")
    monkeypatch.setattr(sys, "executable", f"{current}/bin/python")
    pin_imports([])
    assert sys.executable == f"{current.parent}/r1/bin/python"
    monkeypatch.setattr(sys, "executable", "")
    pin_imports([])
    assert sys.executable == ""


def test_a_module_that_is_loaded_when_it_is_used(current: Path) -> None:
    """It is not used here."""

    class Lazy(types.ModuleType):
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(f"it was asked for {name}")

    sys.modules["a_lazy_one"] = Lazy("a_lazy_one")
    pin_imports([])
    assert os.path.realpath(current) in sys.path
