"""A file in the place of `MODULE:APP`, as it is typed by those who come from `python app.py`: what they may mean."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator

#: As hotswap/apps/importing.py looks for them, and what frameworks make applications with.
_USUAL_NAMES = ("application", "app", "create_app", "make_app")
_MAKERS = ("Flask", "FastAPI", "Starlette", "Quart", "Bottle", "get_wsgi_application", "get_asgi_application")


def is_file(name: str) -> bool:
    """Whether that is a file's name rather than a module's."""
    path = name.partition(":")[0]
    return path.endswith(".py") or "/" in path


def instead_of_file(name: str) -> str:
    """Return what to write in the place of a file, as in "write hotswap run app:app"; it is read, if it is there."""
    path, _, wanted = name.partition(":")
    source = _read(path)
    if not wanted and _serves_itself(source):
        return f"it calls hotswap.serve() itself, so start it with python {shlex.quote(path)}"
    directory, module = _module(path)
    application = wanted or next(_applications(source), "app")
    chdir = f"--chdir {shlex.quote(directory)} " if directory else ""
    return f"write hotswap run {chdir}{shlex.quote(f'{module}:{application}')}"


def _module(path: str) -> tuple[str, str]:
    """The directory to start in, "" for this one, and the module's name there."""
    plain = os.path.normpath(path).removesuffix(".py").removesuffix("/__init__")
    if os.path.isabs(plain) or plain.startswith(".."):
        directory, _, name = plain.rpartition("/")
        return directory or "/", name
    return "", plain.replace("/", ".")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def _serves_itself(source: str) -> bool:
    return bool(re.search(r"\bhotswap\b", source) and re.search(r"\b(?:hotswap\.)?(?:serve|Server)\(", source))


def _applications(source: str) -> Iterator[str]:
    """The names of what may be an application, the likeliest first; a factory's with its call."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return
    made = [target.id for node in body if isinstance(node, ast.Assign) and _makes(node) for target in _names(node)]
    yield from made
    assigned = {target.id for node in body if isinstance(node, ast.Assign) for target in _names(node)}
    functions = {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    for name in _USUAL_NAMES:
        if name in assigned | functions:
            yield f"{name}()" if name.endswith("_app") else name


def _makes(node: ast.Assign) -> bool:
    maker = node.value.func if isinstance(node.value, ast.Call) else None
    name = maker.attr if isinstance(maker, ast.Attribute) else maker.id if isinstance(maker, ast.Name) else ""
    return name in _MAKERS


def _names(node: ast.Assign) -> Iterator[ast.Name]:
    return (target for target in node.targets if isinstance(target, ast.Name))
