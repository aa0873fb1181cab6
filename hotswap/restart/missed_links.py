"""What the user should know at the start: that a deploy may be missed which moves a link."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator

from hotswap.restart.directory import is_below, links_in, may_have_led_to, names, upwards

#: A directory with more entries than these is not searched to its end.
_ENTRIES = 1000


def doubt(pwd: str, physical: str) -> str:
    """Why a deploy may be missed that moves a link, as a sentence; "" if nothing speaks for it.

    For a directory of which neither `$PWD` nor a path in the command line tells by which name it was entered.
    """
    if not physical or names(pwd, physical):
        return ""
    if may_have_led_to(pwd, physical):
        return (
            f"this program was started in {physical}, but $PWD is {pwd}, which leads elsewhere now: a restart will "
            f"start the program in {physical} again: start it anew in {pwd}"
        )
    name = next(_names_by_links(physical), "")
    if not name:
        return ""
    said = f"$PWD is {pwd!r}" if pwd else "$PWD is not set"
    return (
        f"this program was started in {physical}, and nothing tells whether by way of {name} ({said}): a restart will "
        f"not follow that link when it is moved: start with PWD={name}, name the program by its path there, or set "
        f"chdir to {name}"
    )


def _names_by_links(physical: str) -> Iterator[str]:
    """Names of `physical` through links that lie beside it or beside a directory above it, as `current` does."""
    for at in upwards(physical):
        for link in _links_in_folder(os.path.dirname(at)):
            target = os.path.realpath(link)
            if _is_release(link, target) and is_below(physical, target):
                yield link + physical[len(target) :]


def _links_in_folder(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for _, entry in zip(range(_ENTRIES), entries, strict=False) if entry.is_symlink())
    except OSError:
        return []


def _is_release(link: str, target: str) -> bool:
    """Whether that may be a link that deploys move: those in the root directory (/home, /bin) are the system's."""
    return os.path.dirname(link) != "/" and target != "/"


def interpreter_left_behind(executable: str, paths: Iterable[str]) -> str:
    """A sentence if `executable`, of a virtual environment, is named by its resolved path while `paths` go through a
    link to where it lies, else "". So it is in a shell in which the environment was activated: `activate` has the path
    that the environment was made at."""
    for link, target in itertools.chain.from_iterable(map(links_in, paths)):
        if _is_release(link, target) and is_below(executable, target) and not is_below(executable, link):
            return (
                f"{executable} lies in {target}, and the program is started through {link}: when that link is moved, "
                f"new code will run with old dependencies: start it with {link}{executable[len(target) :]} (the "
                "activate of a virtual environment knows only the path that it was made at)"
            )
    return ""
