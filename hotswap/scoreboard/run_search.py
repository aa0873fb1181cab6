"""Where a command looks for boards: every directory that a server may have chosen, in whatever environment it started.

A service of systemd has its board in its RuntimeDirectory=, one or two levels below /run; that its processes know its
name is no help to a command. Root looks into those of all users, so what is found there may be another user's: no link
is followed on the way, and nothing but directories is opened.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping

from hotswap.scoreboard.run_directory import FOLDER, RunDir, Unusable, candidates, open_checked

_RUN, _LEVELS = "/run", 2
_TMP = "/tmp"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def to_search(run_dir: str | None, environ: Mapping[str, str] = os.environ) -> Iterator[RunDir]:
    """Yield every directory in which a command may find boards, checked and open; the caller closes each `fd`.

    With `run_dir` only that. A directory may come twice.
    """
    uid = os.geteuid()
    for path in _own(run_dir, environ, uid):
        yield from _opened(path, {0, uid})
    if run_dir is None:
        yield from _in_run({0, uid} if uid else None)
        for path, owner in _in_tmp() if uid == 0 else ():
            yield from _opened(path, {owner})


def places(run_dir: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return what `to_search` looks into, for the user who finds nothing there."""
    uid = os.geteuid()
    found = _own(run_dir, environ, uid)
    if run_dir is None:
        found += [f"{_RUN}{'/*' * level}/{FOLDER}" for level in range(1, _LEVELS + 1)]
        found += [f"{_TMP}/{FOLDER}-*"] if uid == 0 else []
    return found


def _own(run_dir: str | None, environ: Mapping[str, str], uid: int) -> list[str]:
    return candidates(environ, uid) if run_dir is None else [run_dir]


def _in_run(owners: Collection[int] | None) -> Iterator[RunDir]:
    """Yield the folders of our name in services' directories, those of `owners` only; None takes every owner."""
    with contextlib.suppress(OSError):
        yield from _below(os.open(_RUN, _DIRECTORY), _RUN, _LEVELS, owners)


def _below(fd: int, path: str, levels: int, owners: Collection[int] | None) -> Iterator[RunDir]:
    """Yield the folder of our name in the directory `fd`, and those in its folders to so many levels; closes `fd`."""
    try:
        with contextlib.suppress(Unusable):
            yield open_checked(f"{path}/{FOLDER}", owners=owners, at=(FOLDER, fd))
        for name in sorted(os.listdir(fd)) if levels else ():
            try:
                folder = os.open(name, _DIRECTORY, dir_fd=fd)
            except OSError:
                continue  # a file, a link, or closed to this user
            yield from _below(folder, f"{path}/{name}", levels - 1, owners)
    finally:
        os.close(fd)


def _in_tmp() -> Iterator[tuple[str, int]]:
    """Yield the paths of users' directories in the temporary directory, with the owner that each must have."""
    with contextlib.suppress(OSError):
        for name in os.listdir(_TMP):
            if found := re.fullmatch(rf"{FOLDER}-(\d+)", name):
                yield f"{_TMP}/{name}", int(found[1])


def _opened(path: str, owners: Collection[int]) -> Iterator[RunDir]:
    with contextlib.suppress(Unusable):
        yield open_checked(path, owners=owners)
