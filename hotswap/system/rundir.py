"""The run directory: where scoreboards lie, so that commands find servers by name.

`$XDG_RUNTIME_DIR/hotswap`, else `/run/hotswap` for root, else `hotswap-UID` in the temporary directory; or
`run_dir`. Anybody may create names in a temporary directory, and `sudo` may hand root another user's
environment: so a directory counts only if it is a directory, ours, and nobody else can write in it. It is
opened once and everything is done relative to that descriptor, so that what was checked is what is used.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hotswap.errors import SettingError

# What a server of another user may have left its board in: only root looks there.
_OTHERS = ("/run/user", "/tmp")


class Unusable(Exception):
    """A directory cannot be used; the text says which and why."""


class RunDir(NamedTuple):
    """A directory that was checked, held open. Close `fd` when done."""

    path: str
    fd: int


def prepare(run_dir: str | None, environ: Mapping[str, str] = os.environ) -> RunDir:
    """The directory a new server's board goes to, created if need be.

    Raises SettingError if `run_dir` is given and cannot be used, Unusable with every reason if none of the
    usual ones can.
    """
    if run_dir is not None:
        return _configured(run_dir)
    reasons = []
    for path in candidates(environ, os.geteuid()):
        try:
            _make(path)
            return _open(path, private=not path.startswith("/run/"))
        except Unusable as error:
            reasons.append(str(error))
    raise Unusable("; ".join(reasons))


def candidates(environ: Mapping[str, str], uid: int) -> list[str]:
    """The usual directories for user `uid`, best first. Only the owner of `$XDG_RUNTIME_DIR` is looked at."""
    found = []
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and _owner(runtime) == uid:
        found.append(f"{runtime}/hotswap")
    if uid == 0:
        found.append("/run/hotswap")
    temporary = environ.get("TMPDIR", "")
    found += [f"{place}/hotswap-{uid}" for place in (temporary, "/tmp") if place.startswith("/")]
    return list(dict.fromkeys(found))


def to_search(run_dir: str | None, environ: Mapping[str, str] = os.environ) -> Iterator[RunDir]:
    """Every directory in which a command may find boards, checked and open; the caller closes each `fd`.

    A server may have been started with another environment (cron, systemd) than the command, so all are
    searched that could have been chosen; root searches those of all users.
    """
    uid = os.geteuid()
    paths = [run_dir] if run_dir is not None else [*candidates(environ, uid), f"/run/user/{uid}/hotswap"]
    for path in dict.fromkeys(paths):
        yield from _opened(path, {0, uid})
    if uid == 0 and run_dir is None:
        for path, owner in _of_others():
            yield from _opened(path, {owner})


def _configured(run_dir: str) -> RunDir:
    try:
        os.makedirs(run_dir, mode=0o700, exist_ok=True)
        # A link is followed here: the operator wrote the path.
        return _open(os.path.realpath(run_dir), private=False)
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


def _open(path: str, *, private: bool, owners: frozenset[int] | set[int] | None = None) -> RunDir:
    """Open a directory of one of `owners` (we, root) in which nobody else may write (`private`: nor read)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Unusable(f"cannot open {path} ({_cause(error)})") from error
    status = os.fstat(fd)
    mode = stat.S_IMODE(status.st_mode)
    too_much = mode & (0o077 if private else 0o022)
    if status.st_uid not in (owners or {0, os.geteuid()}):
        reason = f"{path} belongs to uid {status.st_uid}, not to uid {os.geteuid()}"
    elif too_much:
        reason = f"{path} is open to others (mode {mode:04o}): use a directory that only you write to"
    else:
        return RunDir(path, fd)
    os.close(fd)
    raise Unusable(reason)


def _opened(path: str, owners: set[int]) -> Iterator[RunDir]:
    try:
        yield _open(path, private=False, owners=owners)
    except Unusable:
        return


def _of_others() -> Iterator[tuple[str, int]]:
    """Paths of other users' run directories, with the owner that each must have."""
    for place in _OTHERS:
        try:
            names = os.listdir(place)
        except OSError:
            continue
        for name in names:
            if place == "/run/user" and name.isdigit():
                yield f"{place}/{name}/hotswap", int(name)
            elif found := re.fullmatch(r"hotswap-(\d+)", name):
                yield f"{place}/{name}", int(found[1])


def _owner(path: str) -> int:
    try:
        return os.stat(path).st_uid
    except OSError:
        return -1


def _cause(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
