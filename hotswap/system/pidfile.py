"""The pid file: replaced in one step, just before a generation accepts, so it always names a process that serves."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable

from hotswap.errors import SettingError

_PID_MAX = 2**22  # Linux, PID_MAX_LIMIT
_READ = 64  # bytes: more than any pid needs


def _serves_nothing(pid: int) -> str:
    return ""


class PidFile:
    """One generation's view of the file at `path`, which holds the pid as decimal digits and a newline.

    Args: `other_server(pid)` returns the name of the server that a living process serves, or "" if it serves none or
    this file's own server: another server's pid file is never replaced.
    Thread: the main thread only. Raises: SettingError, with cause and remedy, where a method says so.
    """

    def __init__(self, path: str | os.PathLike[str], other_server: Callable[[int], str] = _serves_nothing) -> None:
        # Absolute, because the application may change the directory.
        self.path = os.path.abspath(os.fspath(path))
        self._other_server = other_server
        self._pid: int | None = None
        self._aside = ""

    def check(self) -> None:
        """Raise SettingError if the path may not be replaced: a device, another user's file, another server's file."""
        self._refuse_what_is_there()
        self._refuse_sticky()
        self._refuse_another_server()

    def prepare(self, pid: int) -> None:
        """`check`, then write `pid` to a file beside the path: only `commit`'s rename is left. Raises SettingError."""
        self.check()
        self._write_aside(pid, f"{self.path}.{pid}.tmp")
        self._pid = pid

    def _write_aside(self, pid: int, aside: str) -> None:
        self.abandon()
        try:
            # A dead process of the same pid may have left the file; in a container the pid is always the same.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            self._aside = aside
            with open(fd, "wb", buffering=0) as file:
                os.fchmod(fd, 0o644)  # whatever the umask is: every user may read the pid
                file.write(b"%d\n" % pid)
        except OSError as error:
            self.abandon()
            raise self._error(error) from error

    def commit(self) -> None:
        """Rename what `prepare` wrote to the path. Raises SettingError if that fails, and leaves the path alone."""
        if not self._aside:
            return
        try:
            os.rename(self._aside, self.path)
        except OSError as error:
            self.abandon()
            raise self._error(error) from error
        self._aside = ""

    def take_back(self, pid: int) -> None:
        """Make the file name `pid` again, after a successor that it named has died. Raises SettingError."""
        self.prepare(pid)
        self.commit()

    def hand_to(self, pid: int) -> None:
        """Make the file name `pid`, another process of this server, if it names ours. Raises SettingError."""
        if self._pid is not None and self.read(self.path) == self._pid:
            # Not the name under which that process writes its own file aside.
            self._write_aside(pid, f"{self.path}.{self._pid}.tmp")
            self.commit()

    def abandon(self) -> None:
        """Remove what `prepare` wrote and `commit` did not put in place."""
        if self._aside:
            with contextlib.suppress(OSError):  # its directory may be gone
                os.unlink(self._aside)
        self._aside = ""

    def remove(self, heir: int = 0) -> bool:
        """Unlink the file if it still names the pid that was prepared here, or `heir`; return whether that was done."""
        if self._pid is None or self.read(self.path) not in {self._pid, heir or self._pid}:
            return False
        try:
            os.unlink(self.path)
        except OSError:  # this process has no right to, since it dropped privileges: a stale file does no harm
            return False
        return True

    def discard(self) -> None:
        """`abandon` and `remove`: called however this process ends, so that no file names it any more."""
        self.abandon()
        self.remove()

    def holder(self) -> int | None:
        """Return the pid in the file if a living process other than this one has it, else None."""
        pid = self.read(self.path)
        return pid if pid is not None and pid != os.getpid() and _is_alive(pid) else None

    @staticmethod
    def read(path: str | os.PathLike[str]) -> int | None:
        """Return the pid that a file holds; None if there is no such file, or no pid in it."""
        try:
            # O_NONBLOCK: should the path be a FIFO, a blocking open would wait for its writer.
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, "rb", buffering=0) as file:
                text = (file.read(_READ) or b"").strip()
        except (OSError, ValueError):  # a NUL in the path is a ValueError
            return None
        if not text.isdigit():
            return None
        pid = int(text)
        return pid if 0 < pid <= _PID_MAX else None

    def _refuse_what_is_there(self) -> None:
        # A rename would replace a device just as readily, and fail on a directory only at the end.
        with contextlib.suppress(OSError):
            mode = os.stat(self.path).st_mode
            if not stat.S_ISREG(mode):
                kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
                raise self._refusal(f"it is {kind}", "choose another path")

    def _refuse_sticky(self) -> None:
        """Raise SettingError where the rename would fail: another user's file in a directory such as /tmp."""
        folder = os.path.dirname(self.path)
        with contextlib.suppress(OSError):
            theirs, around, user = os.lstat(self.path), os.stat(folder), os.geteuid()
            if user and around.st_mode & stat.S_ISVTX and user not in (theirs.st_uid, around.st_uid):
                raise self._refusal(f"uid {theirs.st_uid} has a file there", "choose another path")

    def _refuse_another_server(self) -> None:
        """Raise SettingError if the file names a process of another server, which would have no pid file any more."""
        holder = self.holder()
        if holder is not None and (name := self._other_server(holder)):
            raise SettingError(
                f"the pid file {self.path} is in use by pid {holder}, which serves {name}: choose another "
                f"path, or stop that server with hotswap stop {holder}"
            )

    def _refusal(self, cause: str, remedy: str) -> SettingError:
        return SettingError(f"cannot write the pid file {self.path} ({cause}): {remedy}")

    def _error(self, error: OSError) -> SettingError:
        folder = os.path.dirname(self.path)
        causes = {
            FileNotFoundError: (f"there is no directory {folder}", "make it first"),
            NotADirectoryError: (f"{folder} is not a directory", "choose another path"),
            PermissionError: ("permission denied", f"give this user the right to write in {folder}"),
        }
        other = ((error.strerror or str(error)).lower(), "choose another path")
        return self._refusal(*causes.get(type(error), other))


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The state follows the command, which may have blanks and brackets in it. Z is a zombie, X is dead.
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return False
