"""The run directory, in which scoreboards lie, so that commands find servers by name.

It is `hotswap` in the first of `$RUNTIME_DIRECTORY` (RuntimeDirectory= of a service of systemd), else
`$XDG_RUNTIME_DIR/hotswap`, else `/run/hotswap` for root, else `hotswap-UID` in the temporary directory; or `run_dir`.
Any user may create names in a temporary directory, and `sudo` may pass another user's environment to root:
so a path counts only if it is a directory of this user or root in which no other user can write. It is opened once, and
all work is done relative to that descriptor, so that the directory that was checked is the one that is used.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from hotswap.errors import SettingError

FOLDER: Final = "hotswap"


class Unusable(Exception):
    """A directory cannot be used; the text says which and why."""


class RunDir(NamedTuple):
    """A directory that was checked, held open. The caller closes `fd`."""

    path: str
    fd: int


def prepare(run_dir: str | None, environ: Mapping[str, str] = os.environ) -> RunDir:
    """Return the directory for a new server's board; create it if need be.

    Raises SettingError if `run_dir` is given and cannot be used, Unusable with every reason if none of the usual
    directories can be used.
    """
    if run_dir is not None:
        return _configured(run_dir)
    reasons = []
    for path in candidates(environ, os.geteuid()):
        try:
            _make(path)
            return open_checked(path, private=not path.startswith("/run/"))
        except Unusable as error:
            reasons.append(str(error))
    raise Unusable("; ".join(reasons))


def candidates(environ: Mapping[str, str], uid: int) -> list[str]:
    """Return the usual directories for user `uid`, best first. What the first two variables name counts only if `uid`
    owns it."""
    service = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    named = [service, environ.get("XDG_RUNTIME_DIR", "")]
    found = [f"{runtime}/{FOLDER}" for runtime in named if runtime.startswith("/") and _owner(runtime) == uid]
    if uid == 0:
        found.append(f"/run/{FOLDER}")
    temporary = environ.get("TMPDIR", "")
    found += [f"{place}/{FOLDER}-{uid}" for place in (temporary, "/tmp") if place.startswith("/")]
    return list(dict.fromkeys(found))


def _configured(run_dir: str) -> RunDir:
    try:
        os.makedirs(run_dir, mode=0o700, exist_ok=True)
        # A link is followed here, because the operator wrote the path.
        return open_checked(os.path.realpath(run_dir))
    except OSError as error:
        cause = f"cannot use run_dir {run_dir!r} ({_cause(error)}): name a directory of your own"
        raise SettingError(cause) from error
    except Unusable as error:
        raise SettingError(f"run_dir: {error}") from error


def _make(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise Unusable(f"cannot create {path} ({_cause(error)})") from error


def open_checked(
    path: str, *, private: bool = False, owners: Collection[int] | None = (), at: tuple[str, int] | None = None
) -> RunDir:
    """Open a directory of one of `owners` in which no other user may write; with `private` nor read. Raises Unusable.

    owners: by default root and this user; None takes every owner. at: the name to open and the directory that it is in,
    where `path` is for words only.
    """
    name, dir_fd = at or (path, None)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError as error:
        raise Unusable(f"cannot open {path} ({_cause(error)})") from error
    status = os.fstat(fd)
    mode = stat.S_IMODE(status.st_mode)
    too_much = mode & (0o077 if private else 0o022)
    if owners is not None and status.st_uid not in (owners or {0, os.geteuid()}):
        reason = f"{path} belongs to uid {status.st_uid}, not to uid {os.geteuid()}"
    elif too_much:
        reason = f"{path} is open to others (mode {mode:04o}): use a directory that only you write to"
    else:
        return RunDir(path, fd)
    os.close(fd)
    raise Unusable(reason)


def _owner(path: str) -> int:
    try:
        return os.stat(path).st_uid
    except OSError:
        return -1


def _cause(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
