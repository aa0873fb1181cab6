"""Imports run one way: cli → server, starter → crew → engine, system, lifecycle → settings, errors."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT

PACKAGE = ROOT / "hotswap"
FLOOR = {"settings", "errors"}
MIDDLE = {"engine", "system", "lifecycle"}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "settings": {"errors"},
    "events": {"errors"},
    "logs": FLOOR,
    # These three do not know each other: what one needs of another is handed to it by the crew or the server.
    "engine": FLOOR,
    "system": FLOOR,
    "lifecycle": FLOOR,
    "crew": {"events", "logs"} | MIDDLE | FLOOR,
    "server": {"crew", "events", "logs"} | MIDDLE | FLOOR,
    "cli": {"server", "crew", "events", "logs"} | MIDDLE | FLOOR,
}
"""What each layer may import beside itself."""
LAYER_OF = {"commands": "cli", "__main__": "cli"}
"""What belongs to a layer of another name. A folder or module without a line above is the server's."""

IMPURE = {"os", "sys", "time", "datetime", "logging", "socket", "select", "signal", "subprocess", "threading"}

Import = tuple[Path, int, str]


def layer(module: str) -> str:
    """The layer that a module belongs to; `hotswap` itself, the public names, is at the top."""
    name = module.split(".")[1] if "." in module else "cli"
    return LAYER_OF.get(name, name if name in MAY_IMPORT else "server")


def module_name(path: Path) -> str:
    """`hotswap.engine` for its __init__.py, `hotswap.engine.loop` for loop.py in it."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    """Whether there is such a module in the package."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


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
        here = layer(module_name(path))
        there = layer(target)
        if here != there and there not in MAY_IMPORT[here]:
            lines.append(f"{path.relative_to(ROOT)}:{line}: {here} imports {target} ({there})")
    return lines


def test_imports_run_one_way() -> None:
    """No module imports a layer above its own or a sibling of it."""
    found = all_imports()
    assert len(found) > 100
    assert wrong(found) == []


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("engine/loop.py", "hotswap.system.exchange"),
        ("system/exchange.py", "hotswap.engine"),
        ("lifecycle/states.py", "hotswap.system"),
        ("crew/single.py", "hotswap.server"),
        ("settings/config.py", "hotswap.engine"),
        ("errors.py", "hotswap.settings"),
        ("server.py", "hotswap.cli"),
        ("boot.py", "hotswap.commands.find"),
        ("crew/single.py", "hotswap"),
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
    """Beside the standard library: what pyproject.toml depends on, and setproctitle in one place only."""
    outside = [
        (module_name(path), name.split(".")[0])
        for path, _, name in all_imports()
        if name.split(".")[0] not in {*sys.stdlib_module_names, "hotswap"}
    ]
    assert {name for _, name in outside} <= {"gunicorn", "gunicorn_h1c", "setproctitle", "werkzeug"}
    assert {module for module, name in outside if name == "setproctitle"} <= {"hotswap.system.title"}
