"""`hotswap run` up to serving: the application it loads, and what it says when there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hotswap.apps.importing import load
from hotswap.errors import BootError
from tests.commands.conftest import Bench

SHOP = """
def app(environ, start_response):
    return [b"app"]

def create_app(name="shop"):
    def application(environ, start_response):
        return [name.encode()]
    return application

nothing = None
number = 7
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "a_shop.py").write_text(SHOP)
    return tmp_path


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("a_shop:app", b"app"),
        ("a_shop:create_app()", b"shop"),
        ("a_shop:create_app('other')", b"other"),
        ("a_shop:create_app(name='third')", b"third"),
    ],
)
def test_names(name: str, answer: bytes) -> None:
    """An attribute, or a factory with literal arguments."""
    assert load(name)({}, None) == [answer]


def test_a_module_alone(project: Path) -> None:
    """Without a colon, `application` is meant."""
    (project / "a_site.py").write_text(SHOP.replace("def app(", "def application("))
    assert load("a_site")({}, None) == [b"app"]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a_shop", "Failed to find attribute 'application' in 'a_shop'.): did you mean a_shop:app?"),
        ("a_shop:applicaton", "did you mean a_shop:app?"),
        ("a_shop:nothing", "cannot load the application a_shop:nothing (Failed to find application object"),
        ("a_shop:number", "Application object must be callable."),
        ("a_shop:create_app(", "Failed to parse 'create_app(' as an attribute name or function call."),
        ("a_shop:create_app(1, 2)", "takes from 0 to 1 positional arguments but 2 were given"),
        ("no_shop:app", "(no module no_shop in "),
        ("no_shop.site:app", "(no module no_shop in "),
        ("a_shop.py", "did you mean 'a_shop:application'?"),
        (
            "a_shop:create_app",
            "a_shop:create_app takes no request, so it is a factory of applications: write a_shop:create_app()",
        ),
    ],
)
def test_names_that_lead_nowhere(name: str, sentence: str) -> None:
    """A wrong name is one sentence with what to write instead."""
    with pytest.raises(BootError) as caught:
        load(name)
    assert sentence in str(caught.value)


def test_a_module_whose_application_is_a_factory(project: Path) -> None:
    """The name that was not written is spelled out."""
    (project / "a_site.py").write_text("def application():\n    return None\n")
    with pytest.raises(BootError, match=r"write a_site:application\(\)"):
        load("a_site")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "import no_such_thing",
            '  File "{path}", line 1, in <module>\n    import no_such_thing\n'
            "ModuleNotFoundError: No module named 'no_such_thing'",
        ),
        (
            "raise OSError('no database')",
            "  File \"{path}\", line 1, in <module>\n    raise OSError('no database')\nOSError: no database",
        ),
    ],
)
def test_errors_of_the_application(project: Path, text: str, shown: str) -> None:
    """What the module raises is shown with the application's own lines, and none of ours."""
    path = project / "a_broken.py"
    path.write_text(text)
    with pytest.raises(BootError) as caught:
        load("a_broken:app")
    head = "cannot load the application a_broken:app:\nTraceback (most recent call last):\n"
    assert str(caught.value) == head + shown.format(path=path)


def test_syntax_error(project: Path) -> None:
    """A file that cannot be compiled is shown with the line; there are no frames."""
    path = project / "a_broken.py"
    path.write_text("x = 1\nx = (\n")
    with pytest.raises(BootError) as caught:
        load("a_broken:app")
    lines = str(caught.value).splitlines()
    assert lines[:2] == ["cannot load the application a_broken:app:", f'  File "{path}", line 2']
    assert lines[-1] == "SyntaxError: '(' was never closed"


def test_errors_in_a_factory(project: Path) -> None:
    """So is what a factory raises, from the factory on."""
    (project / "a_broken.py").write_text("def make():\n    raise KeyError('setting')\n")
    with pytest.raises(BootError) as caught:
        load("a_broken:make()")
    assert str(caught.value).endswith("line 2, in make\n    raise KeyError('setting')\nKeyError: 'setting'")


def run(bench: Bench, *arguments: str, **environ: str) -> tuple[int, str, str]:
    """Run `hotswap run ARGUMENTS` in the folder of the bench, where shop.py is."""
    (bench.folder / "shop.py").write_text(f"import os, sys\nprint(os.getcwd(), file=sys.stderr)\n{SHOP}")
    bench.environ.update(environ)
    return bench.run("run", *arguments)


def test_check_config(bench: Bench) -> None:
    """--check-config loads the application and says by its exit status whether that went well."""
    assert run(bench, "--check-config", "shop:app") == (0, "", f"{bench.folder}\n")
    status, _, err = run(bench, "--check-config", "shop:ap")
    assert status == 1
    assert err.splitlines()[-1].startswith("hotswap run: cannot load the application shop:ap (")


def test_a_factory_without_its_parentheses(bench: Bench) -> None:
    """Where each worker would load it, too: the start ends with the right spelling."""
    for options in ((), ("-w", "2", "--no-preload")):
        status, _, err = run(bench, *options, "-b", "127.0.0.1:0", "shop:create_app")
        assert status == 1
        assert "it is a factory of applications: write shop:create_app()" in err
        assert "serving at" not in err


def test_print_config(bench: Bench) -> None:
    """--print-config shows every setting as it is."""
    status, out, _ = run(bench, "--print-config", "--threads", "3", "shop:app")
    lines = [line.split() for line in out.splitlines()]
    assert status == 0
    assert ["threads", "=", "3"] in lines
    assert ["retire_timeout", "=", "600.0"] in lines


def test_refused_settings(bench: Bench) -> None:
    """What this version does not do is said before the application is loaded; exit 1."""
    status, out, err = run(bench, "--reuse-port", "--spew", "shop:app")
    assert (status, out) == (1, "")
    assert "reuse_port = True (command line) is refused: " in err
    assert "spew = True (command line) is refused: " in err
    assert str(bench.folder) not in err


def test_surroundings(bench: Bench) -> None:
    """--chdir is entered and -e set before the application is loaded."""
    (bench.folder / "site").mkdir()
    (bench.folder / "site" / "inner.py").write_text(
        "import os\nassert os.environ['COLOUR'] == 'red'\nassert os.getcwd().endswith('/site')\n"
        "def app(environ, start_response): ...\n"
    )
    assert run(bench, "--check-config", "--chdir", "site", "-e", "COLOUR=red", "inner:app") == (0, "", "")


def test_an_error_of_the_application_is_all_that_is_shown(bench: Bench) -> None:
    """The user's own error comes with its own lines; exit 1."""
    (bench.folder / "broken.py").write_text("raise OSError('no database')\n")
    status, _, err = run(bench, "broken:app")
    assert status == 1
    assert err.startswith("hotswap run: cannot load the application broken:app:\nTraceback")
    assert err.endswith("OSError: no database\n")


def test_exit_of_the_application(bench: Bench) -> None:
    """An application that exits while it is imported decides the exit status."""
    (bench.folder / "leaving.py").write_text("raise SystemExit(3)\n")
    assert run(bench, "leaving:app")[0] == 3


def test_web_concurrency_that_is_no_number(bench: Bench) -> None:
    """gunicorn would show a traceback of its own import."""
    status, _, err = run(bench, "shop:app", WEB_CONCURRENCY="lots")
    assert (status, err.splitlines()[-1]) == (
        1,
        "hotswap run: cannot read gunicorn's settings (WEB_CONCURRENCY='lots', invalid literal for int() "
        "with base 10: 'lots'): make it a number, or unset it",
    )


def test_the_usual_names_are_looked_for_in_order() -> None:
    """os is a module without any of them, and so no name is proposed."""
    with pytest.raises(BootError) as caught:
        load("os:app")
    assert "did you mean" not in str(caught.value)
    assert os.name


def test_a_file_in_place_of_a_module(bench: Bench) -> None:
    """It is no module that could not be found: the sentence says what to write; exit 1."""
    (bench.folder / "shop.py").write_text(SHOP)
    assert bench.run("run", "shop.py") == (
        1,
        "",
        "hotswap run: shop.py is a file, and no module: write hotswap run shop:app\n",
    )
