"""What a path looks like now: where its links lead, or what a directory has in it, as a text that can be compared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import NamedTuple

#: Written by the interpreter and by git, not by a deploy.
_NOT_DEPLOYED = ("__pycache__", ".git")
#: How many names are kept of what differs.
_NAMED = 3


class PathState(NamedTuple):
    """`digest` is the text; `entries` what it was made of: files by name, and under "" where the path leads."""

    digest: str
    entries: dict[str, str]


def look_at(path: str) -> PathState | None:
    """Return the state of the path now; None if it is not there. It may take as long as the file system does.

    Of a link it is where it leads: a deploy moves the link, and what the application writes beside its code is no
    deploy. Of anything else it is also all that lies below it: names, times of change, sizes.
    """
    real = os.path.realpath(path)
    if not os.path.exists(real):
        return None
    entries = {"": real, **({} if os.path.islink(path) else dict(_entries(path)))}
    text = "\n".join(f"{name}\t{what}" for name, what in sorted(entries.items()))
    return PathState(hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest(), entries)


def difference(before: PathState | None, now: PathState | None) -> str:
    """Return what has changed, for people; "" if that cannot be told."""
    if before is None or now is None or before.digest == now.digest:
        return ""
    if before.entries[""] != now.entries[""]:
        return f"it leads to {now.entries['']}"
    names = sorted({name for name, _ in before.entries.items() ^ now.entries.items()})
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _entries(path: str) -> Iterator[tuple[str, str]]:
    """The file itself, or every file and link below a directory."""
    if not os.path.isdir(path):
        status = os.stat(path)
        yield os.path.basename(path), f"{status.st_mtime_ns} {status.st_size}"
        return
    folders = [path]
    while folders:
        yield from _files_in(folders.pop(), path, folders)


def _files_in(folder: str, top: str, folders: list[str]) -> Iterator[tuple[str, str]]:
    """What lies in one folder, whose own folders are added to `folders`. What is gone meanwhile is left out."""
    try:
        found = list(os.scandir(folder))
    except OSError:
        return
    for entry in found:
        try:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _NOT_DEPLOYED:
                    folders.append(entry.path)
            elif entry.is_symlink():
                yield os.path.relpath(entry.path, top), os.readlink(entry.path)
            elif entry.is_file() and not entry.name.endswith(".pyc"):
                # Without the inode: some network file systems change it.
                status = entry.stat()
                yield os.path.relpath(entry.path, top), f"{status.st_mtime_ns} {status.st_size}"
        except OSError:
            continue
