"""Where this program was started, by the path that the user knows: a deploy moves a link in it, and a restart follows.

The kernel knows the physical directory only. `$PWD` is the shell's word for it; it is missing, or means another
directory, below systemd, cron, `su` and subprocess(cwd=...). Then the paths that the program was started with tell: one
that goes through a link to where we are shows which prefix stands for that place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence


def physical_directory(orig_argv: Sequence[str], main_file: str) -> str:
    """Where the interpreter was started, as the kernel knew it; "" if that is gone and nothing tells any more.

    Many scripts change the directory before they import anything of their own. The interpreter has made the script's
    `__file__` absolute before (Python 3.9), so what stands there in front of a relative name is the directory of then.
    """
    for word in orig_argv[1:]:
        if not os.path.isabs(word) and main_file.endswith(f"/{word}"):
            return main_file[: -len(word)].rstrip("/") or "/"
    try:
        return os.getcwd()
    except FileNotFoundError:
        # Deleted under us: a restart will say so; an import must not fail for it.
        return ""


def logical_directory(pwd: str, physical: str, paths: Iterable[str]) -> str:
    """The path by which the user knows `physical`: `pwd` if that is another name of it (as pwd(1) -L has it), else
    what one of `paths` tells, else `pwd` or `physical` themselves. "/" if the directory is gone."""
    if not physical:
        return pwd or "/"
    is_right = names(pwd, physical)
    if is_right and os.path.realpath(pwd) != pwd:
        return pwd
    # Below systemd a shell sets PWD, and it knows no more than the kernel: so the paths are asked then too.
    return told_by(paths, physical) or (pwd if is_right else physical)


def names(path: str, physical: str) -> bool:
    """Whether `path` is absolute and leads to the very directory `physical`."""
    try:
        return os.path.isabs(path) and os.path.samefile(path, physical)
    except (OSError, ValueError):
        return False


def paths_in(arguments: Iterable[str]) -> list[str]:
    """The absolute paths in a command line, in its order, also those behind an option: -c/site, --config=/site."""
    return [path for path in map(_path_in, arguments) if os.path.isabs(path)]


def _path_in(word: str) -> str:
    if word.startswith("--"):
        word = word.partition("=")[2]
    elif word.startswith("-"):
        word = word[2:]
    # As gunicorn's -c takes it.
    return word.removeprefix("file:")


def told_by(paths: Iterable[str], physical: str) -> str:
    """`physical`, by the first link in `paths` that leads there or above; "" if there is none."""
    for path in paths:
        for link, target in links_in(path):
            if is_below(physical, target):
                candidate = link + physical[len(target) :]
                # A link may have been moved since.
                if names(candidate, physical):
                    return candidate
    return ""


def may_have_led_to(path: str, physical: str) -> bool:
    """Whether `path` led to `physical`, as far as one can tell, before a link in it was moved to what lies beside
    that."""
    for link, target in links_in(path) if os.path.isabs(path) else ():
        rest = os.path.normpath(path)[len(link) :]
        release = physical.removesuffix(rest)
        if release + rest == physical and os.path.dirname(release) == os.path.dirname(target):
            return True
    return False


def links_in(path: str) -> Iterator[tuple[str, str]]:
    """The symbolic links that an absolute path goes through, and where they lead; the last one in it comes first."""
    for at in upwards(os.path.normpath(path)):
        if os.path.islink(at) and (target := os.path.realpath(at)) != "/":
            yield at, target


def upwards(path: str) -> Iterator[str]:
    """An absolute path and the directories above it, but for the root."""
    while os.path.dirname(path) != path:
        yield path
        path = os.path.dirname(path)


def is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or in it, going by the names alone."""
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def existing_directory(directory: str, chdir: str) -> str:
    """Where to start the program again: in `directory`; if that is gone, as an old release is that was pruned, in
    `chdir`, if the settings have one, because the program goes there anyway."""
    return chdir if chdir and not os.path.isdir(directory) else directory
