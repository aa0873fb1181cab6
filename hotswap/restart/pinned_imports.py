"""Old code must not read new files: what this process imports, now and later, comes from the release that it runs.

A generation that was started through a link serves for as long as retire_timeout after a deploy has moved the link. A
module that it imports late, a template beside a module, or a package's data would be those of the next release. So the
import system is given the paths that the link leads to now. What is started again is not touched: that is the program
by the link.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from hotswap.restart.directory import is_below


def pin_imports(known: Iterable[tuple[str, str]]) -> None:
    """Replace what goes through a link by what it leads to: in sys.path, in modules that are imported, and in the path
    of the interpreter, by which subprocesses are started. On the main thread, before the program's threads.

    `known`: directories as the user names them, and as the kernel had them when they were entered. A link may have been
    moved since, so for all that goes through it this counts, and not where it leads now.
    """
    links = [pair for pair in (_common_end_cut(*each) for each in known) if pair[0] != pair[1]]
    # Programs put other things there too.
    entries: list[Any] = sys.path
    # The interpreter resolves a script's folder itself before it puts it on sys.path, but not the script's name.
    script = os.path.dirname(getattr(sys.modules.get("__main__"), "__file__", None) or "")
    absolute = [entry for entry in (script, *entries) if isinstance(entry, str) and os.path.isabs(entry)]
    moved = {entry: target for entry in absolute if (target := _resolved(entry, links)) != entry}
    sys.path[:] = [moved.get(entry, entry) if isinstance(entry, str) else entry for entry in entries]
    if sys.executable:
        folder, name = os.path.split(sys.executable)
        sys.executable = os.path.join(_resolved(folder, links), name)
    beginnings = {f"{path.rstrip('/')}/": f"{target.rstrip('/')}/" for path, target in (*links, *moved.items())}
    if beginnings:
        for module in list(sys.modules.values()):
            _pin(module, beginnings)


def _common_end_cut(logical: str, physical: str) -> tuple[str, str]:
    """The link and what it leads to: /srv/current/site and /srv/r1/site differ above `site`."""
    while os.path.basename(logical) == os.path.basename(physical) != "":
        logical, physical = os.path.dirname(logical), os.path.dirname(physical)
    return logical, physical


def _resolved(path: str, links: Iterable[tuple[str, str]]) -> str:
    for link, target in links:
        if is_below(path, link):
            path = target + path[len(link) :]
            break
    return os.path.realpath(path)


def _pin(module: object, beginnings: Mapping[str, str]) -> None:
    """Pin one module's own file and the places where its submodules and its data are looked for."""
    names = _names_in(module)
    spec = names.get("__spec__")
    for path in (names.get("__path__"), getattr(spec, "submodule_search_locations", None)):
        # Most are one and the same list. That of a namespace package follows sys.path by itself.
        if type(path) is list:
            path[:] = [_pinned(entry, beginnings) for entry in path]
    if "__file__" in names:
        names["__file__"] = _pinned(names["__file__"], beginnings)
    for holder, attribute in ((spec, "origin"), (names.get("__loader__"), "path")):
        # Whatever a loader of the program's does there, it must not end the import of hotswap.
        with contextlib.suppress(Exception):
            before = getattr(holder, attribute)
            if before != (now := _pinned(before, beginnings)):
                setattr(holder, attribute, now)


def _names_in(module: object) -> dict[str, Any]:
    try:
        # Past the module's own __getattribute__: one that is to be loaded when it is used must not be used here.
        names = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return {}
    return names if isinstance(names, dict) else {}


def _pinned(path: Any, beginnings: Mapping[str, str]) -> Any:
    """By the names alone: there are hundreds of modules, and a start is a part of every restart."""
    for beginning, target in beginnings.items() if isinstance(path, str) else ():
        if path.startswith(beginning):
            return target + path[len(beginning) :]
    return path
