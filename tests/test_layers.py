"""Imports run down: cli → server → serving → workers, restart, dev → handover → engine, scoreboard, system →
settings.

A folder has a row in `MAY_IMPORT`, and so has a module at the top level. What stands in a row may be imported from
there, and nothing else. No import makes a circle, not one that only a type checker sees either.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import hotswap
from tests.harness import ROOT

PACKAGE = ROOT / "hotswap"
FLOOR = {"errors", "repeated_errors", "settings", "version"}
ENGINE = {
    "engine",
    "engine/native",
    "engine/http1",
    "engine/transport",
    "engine/connections",
    "engine/wsgi",
    "engine/asgi",
}
LOW = {"lifecycle", "callbacks", "log", "system", "scoreboard", "handover", "apps", "gunicorn_compat", *ENGINE, *FLOOR}

MAY_IMPORT: dict[str, set[str]] = {
    # values and tables
    "errors": set(),
    "repeated_errors": set(),
    "compat": set(),
    "version": set(),
    "lifecycle": {"errors"},
    "settings": {"errors"},
    "own_frames": {"errors"},
    "callbacks": {"errors", "own_frames"},
    "log": FLOOR | {"engine/native"},  # which makes the usual line
    # HTTP on sockets given to it: no restarts, no processes
    "engine": FLOOR | {"engine/wsgi"},  # __init__.py is the engine's public face
    "engine/http1": FLOOR | {"engine", "engine/native"},  # which tells whether it reads heads
    "engine/transport": FLOOR | {"engine"},
    "engine/connections": FLOOR | {"engine", "engine/http1", "engine/transport"},
    "engine/native": set(),  # C, and whether it is used
    "engine/wsgi": FLOOR | {"engine/native", "engine", "engine/http1", "engine/transport", "engine/connections"},
    # The loop's signal handlers are callbacks of the program's.
    "engine/asgi": FLOOR | {"callbacks", "engine", "engine/http1", "engine/transport", "engine/connections"},
    # the operating system and what processes share
    "system": {"errors"},
    "scoreboard": {"errors", "lifecycle", "system"},
    "handover": FLOOR | {"engine", "scoreboard", "system"},
    "apps": FLOOR | {"engine", "system"},
    "gunicorn_compat": FLOOR | {"apps", "engine", "log", "system"},
    "monitoring": {"compat", "errors", "scoreboard", "version"},
    # parts of a server
    "restart": FLOOR | {"own_frames", "handover", "lifecycle", "log", "scoreboard", "system"},
    "starter": {"errors", "lifecycle", "restart", "settings", "system"},
    "dev": FLOOR | {"apps", "callbacks", "compat", "log", "scoreboard", "system"},
    "workers": LOW | {"workers/native", "workers/foreign"},  # choose.py tells which
    "workers/native": LOW | {"workers"},
    "workers/foreign": LOW | {"workers"},
    "serving": LOW | {"dev", "restart", "starter", "workers"},
    "server": LOW | {"own_frames", "dev", "restart", "serving", "workers", "workers/foreign"},
    "cli": LOW | {"compat", "monitoring", "restart", "server", "starter", "workers/foreign"},
    # commands of others that start a server
    "frameworks": {"apps", "cli", "errors"},
    "management": set(),
    "management/commands": {"cli", "frameworks"},
    "__main__": {"cli"},
    "__init__": {
        "callbacks",
        "compat",
        "dev",
        "errors",
        "monitoring",
        "restart",
        "server",
        "version",
        "workers/native",
    },
}
"""What each folder, or module at the top level, may import beside itself."""

FRAMEWORKS = {"click", "django", "flask"}
"""They import the modules that import them."""

IMPURE = {"os", "sys", "time", "datetime", "logging", "socket", "select", "signal", "subprocess", "threading"}

Import = tuple[Path, int, str]


def row(module: str) -> str:
    """The row of a module: its folder below the package, or its own name at the top level."""
    if module == "hotswap":
        return "__init__"
    parts = module.split(".")[1:]
    return "/".join(parts if is_package(module) or len(parts) == 1 else parts[:-1])


def module_name(path: Path) -> str:
    """`hotswap.engine` for its __init__.py, `hotswap.engine.limits` for limits.py in it."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_package(name: str) -> bool:
    """Whether that is a folder of the package."""
    return (PACKAGE.parent.joinpath(*name.split(".")) / "__init__.py").exists()


def is_module(name: str) -> bool:
    """Whether there is such a module in the package."""
    return PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py").exists() or is_package(name)


def imports(path: Path) -> Iterator[Import]:
    """Every import in a file, also those in functions and for type checkers only: file, line, module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield path, node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write it out"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield path, node.lineno, inner if is_module(inner) else node.module


def all_imports() -> list[Import]:
    """Every import of every file of the package."""
    return [found for path in sorted(PACKAGE.rglob("*.py")) for found in imports(path)]


def wrong(found: list[Import]) -> list[str]:
    """The imports among these that the table does not allow."""
    lines = []
    for path, line, target in found:
        if target.partition(".")[0] != "hotswap":
            continue
        here, there = row(module_name(path)), row(target)
        if here != there and there not in MAY_IMPORT[here]:
            lines.append(f"{path.relative_to(ROOT)}:{line}: {here} imports {target} ({there})")
    return lines


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """The modules that import each other, directly or by others: each circle once, as a sorted list."""
    reach: dict[str, set[str]] = {}
    for start in edges:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in edges.get(waiting.pop(), set()) - seen:
                seen.add(target)
                waiting.append(target)
        reach[start] = seen
    together = {
        tuple(sorted({other for other in seen if start in reach.get(other, set())} | {start}))
        for start, seen in reach.items()
        if start in seen
    }
    return sorted(list(each) for each in together)


def test_imports_run_one_way() -> None:
    """No module imports from a folder that does not stand in the row of its own."""
    found = all_imports()
    assert len(found) > 100
    assert wrong(found) == []


def test_every_folder_has_a_row_and_every_row_a_folder() -> None:
    """A new folder says what it may import; an old row does not stay."""
    assert {row(module_name(path)) for path in PACKAGE.rglob("*.py")} == set(MAY_IMPORT)


def test_the_top_level_is_seen_at_a_glance() -> None:
    """At most ten modules stand beside the folders."""
    assert len(list(PACKAGE.glob("*.py"))) <= 10


def test_no_module_has_a_public_name() -> None:
    """Importing a module sets an attribute of the package: `hotswap.generation` must stay a number."""
    assert [name for name in hotswap.__all__ if is_module(f"hotswap.{name}")] == []


def test_no_class_and_no_file_has_a_name_twice() -> None:
    """A name in a traceback or a log leads to one place."""
    files = Counter(path.name for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    classes = Counter(
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, times in (files + classes).items() if times > 1] == []


def test_no_import_makes_a_circle() -> None:
    """Not one among imports for type checkers either: such modules can only be understood together."""
    edges: dict[str, set[str]] = {}
    for path, _, target in all_imports():
        here = module_name(path)
        if target.partition(".")[0] == "hotswap" and target != here:
            edges.setdefault(here, set()).add(target)
    assert len(edges) > 100
    assert circles(edges) == []


def test_a_circle_is_found() -> None:
    """Direct ones, and those over others, each once."""
    edges = {"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"e"}, "e": {"c", "x"}, "x": set[str]()}
    assert circles(edges) == [["a", "b"], ["c", "d", "e"]]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("engine/wsgi/loop.py", "hotswap.handover.exchange"),
        ("handover/exchange.py", "hotswap.workers"),
        ("system/signals.py", "hotswap.engine"),
        ("lifecycle/states.py", "hotswap.system"),
        ("workers/single.py", "hotswap.server"),
        ("restart/restarter.py", "hotswap.serving"),
        ("settings/config.py", "hotswap.engine"),
        ("errors.py", "hotswap.settings"),
        ("server.py", "hotswap.cli"),
        ("serving/resources.py", "hotswap.cli.find_server"),
        ("workers/single.py", "hotswap"),
    ],
)
def test_the_rule_finds_what_breaks_it(path: str, target: str) -> None:
    """Imports in the wrong direction, between siblings, and from the public names, are found."""
    assert len(wrong([(PACKAGE / path, 1, target)])) == 1


def test_imports_inside_functions_are_seen(tmp_path: Path) -> None:
    """A late import is an import."""
    path = tmp_path / "late.py"
    path.write_text("def f():\n    from hotswap import server\n    import hotswap.engine.x\n")
    assert [target for _, _, target in imports(path)] == ["hotswap.server", "hotswap.engine.x"]


def test_the_lifecycle_is_pure() -> None:
    """No operating system, no clock, no log: every decision can be tested as a value."""
    inside = [found for found in all_imports() if module_name(found[0]).startswith("hotswap.lifecycle")]
    assert inside
    assert [(path.name, line, name) for path, line, name in inside if name.split(".")[0] in IMPURE] == []


def test_only_known_packages_are_imported() -> None:
    """Beside the standard library: what pyproject.toml depends on; two of them in one place each."""
    outside = [
        (module_name(path), name.split(".")[0])
        for path, _, name in all_imports()
        if name.split(".")[0] not in {*sys.stdlib_module_names, "hotswap"}
    ]
    # typing_extensions is for type checkers only, which bring it along: tests/test_lean_start.py.
    known = {
        "dotenv",
        "gunicorn",
        "setproctitle",
        "shtab",
        "typing_extensions",
        "uvloop",
        "websockets",
        "werkzeug",
        *FRAMEWORKS,
    }
    assert {name for _, name in outside} <= known
    assert {module for module, name in outside if name == "setproctitle"} <= {"hotswap.system.process_title"}
    assert {module for module, name in outside if name == "uvloop"} == {"hotswap.engine.asgi.loop_factory"}
