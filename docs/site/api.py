"""The API's page, made from the docstrings: what `hotswap.__all__` names, in that order."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hotswap
from hotswap import callbacks

HEAD = """# API

What `import hotswap` brings, with the docstrings of the code. The steps of a life are under [Callbacks](callbacks.md),
the keywords under [Settings](settings.md).
"""
WIDTH = 80
"""Characters of a line that needs no scrolling."""
_VALUES: tuple[ModuleType, ...] = (hotswap, callbacks)
"""The modules whose public values have their description in a `#:` comment above them."""


def markdown() -> str:
    """The whole page."""
    names = sorted(hotswap.__all__, key=lambda name: (name != "serve", _rank(name)))  # the rest keeps its order
    return "\n".join([HEAD, *(line for name in names for line in _entry(name))])


def _rank(name: str) -> int:
    """Functions and the server come before values, those before errors, and the base of these before the others."""
    found = getattr(hotswap, name)
    if _is_error(found):
        return 3 if found.__bases__ == (Exception,) else 4
    return 1 if inspect.isclass(found) else 0 if inspect.isfunction(found) else 2


def _entry(name: str) -> Iterator[str]:
    found = getattr(hotswap, name)
    yield f"## hotswap.{name}\n"
    if not callable(found):
        yield f"{_comment_above(name)}\n"
        return
    # Of an application, `hotswap.metrics`, the protocol says how it is called.
    if not _is_error(found) and (inspect.isclass(found) or inspect.isfunction(found)):
        yield f"```python\n{_signature(f'hotswap.{name}', found)}\n```\n"
    yield f"{_described(found)}\n"
    if inspect.isclass(found):
        for method, function in _methods(found):
            yield f"### {name}.{method}\n"
            yield f"```python\n{_signature(f'{name}.{method}', function)}\n```\n"
            yield f"{_described(function)}\n"


def _is_error(found: Any) -> bool:
    return inspect.isclass(found) and issubclass(found, Exception)


def _signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [_unquoted(str(each)) for each in signature.parameters.values() if each.name != "self"]
    # What a decorator returns is the function that it is given: its annotation has type variables of the module's own.
    returned = str(signature.return_annotation)
    arrow = "" if re.search(r"\b_", returned) else f" -> {returned}"
    on_a_line = f"{name}({', '.join(parameters)}){arrow}"
    if len(on_a_line) <= WIDTH:
        return on_a_line
    return "\n".join([f"{name}(", *(f"    {each}," for each in parameters), f"){arrow}"])


def _unquoted(parameter: str) -> str:
    """Without the quotes in which an annotation is shown that is evaluated late, as all of the package's are."""
    return re.sub(r": '([^']*)'", r": \1", parameter)


def _described(found: Any) -> str:
    text = inspect.getdoc(found)
    if not text:
        raise LookupError(f"{found!r} is public, and has no docstring")
    if _is_error(found) and found.__bases__ != (Exception,):
        text += f"\n\nA `{found.__bases__[0].__name__}`."
    return text


def _methods(found: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(found).items():
        if not name.startswith("_") and inspect.isfunction(value):
            yield name, value


def _comment_above(name: str) -> str:
    for module in _VALUES:
        assert module.__file__ is not None
        text = Path(module.__file__).read_text()
        if found := re.search(rf"^((?:#:? .*\n)+){name}\b.* = ", text, re.MULTILINE):
            return " ".join(line.lstrip("#: ") for line in found[1].splitlines())
    raise LookupError(f"hotswap.{name} is public, and no #: comment stands above it")
