"""`Scoreboard`: one server's shared file, as a server process writes it and as a command reads it."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from dataclasses import replace

from hotswap.errors import NoSuchServer, SettingError
from hotswap.system import rundir
from hotswap.system.scoreboard import attempts, files, find, held, layout, locks, slots
from hotswap.system.scoreboard.attempts import Attempt
from hotswap.system.scoreboard.layout import Memory, ScoreboardError
from hotswap.system.scoreboard.slots import Slot, SlotView


class _Mapped:
    """A board mapped into memory, for its own processes. The mapping holds a descriptor too, see `held`."""

    def __init__(self, fd: int) -> None:
        self.map = mmap.mmap(fd, layout.SIZE)

    def peek(self, at: int, size: int) -> bytes:
        """See `layout.Memory`."""
        return self.map[at : at + size]


class _Nothing:
    """What a closed board reads."""

    def peek(self, at: int, size: int) -> bytes:
        """See `layout.Memory`."""
        return bytes(size)


class Scoreboard:
    """Who serves, in which state, and how the last restarts went.

    `create` and `from_fd` give a board that writes, one per file and process, open until `close`: closing any
    descriptor of the file gives up the process's slots. `open_path`, `of_pid` and `list_servers` give boards
    that only read.
    """

    def __init__(self, fd: int, memory: Memory, own: dict[int, Slot], *, owns_fd: bool) -> None:
        """Not for callers: use `create`, `from_fd`, `open_path` or `of_pid`."""
        self._fd = fd
        self._memory: Memory = memory
        self._own = own
        self._owns_fd = owns_fd
        self._taking = threading.Lock()
        self.why_no_path = ""

    # Getting one

    @classmethod
    def create(cls, run_dir: str | None, name: str) -> Scoreboard:
        """A new board for the first generation of a server, in `run_dir` or the usual run directory.

        If no directory can be used, or the disk is full, it lives in memory: `path` is None and `why_no_path`
        says why. Raises SettingError if `run_dir` is given and is not a directory that only we write to,
        ScoreboardError if there is no memory either.
        """
        reason = ""
        try:
            fd = cls._create_file(run_dir, name)
        except (OSError, rundir.Unusable) as error:
            reason = str(error)
            fd = cls._create_in_memory(name, reason)
        board = cls._writer(fd)
        board.why_no_path = reason
        return board

    @staticmethod
    def _create_in_memory(name: str, reason: str) -> int:
        try:
            return files.create_in_memory(name)
        except OSError as error:
            cause = f"no scoreboard, neither in a file ({reason}) nor in memory ({error}): set run_dir"
            raise ScoreboardError(cause) from error

    @staticmethod
    def _create_file(run_dir: str | None, name: str) -> int:
        directory = rundir.prepare(run_dir)
        try:
            return files.create(directory, name)
        except PermissionError as error:
            if run_dir is None:
                raise
            cause = f"cannot write in run_dir {run_dir!r} (permission denied): name another"
            raise SettingError(cause) from error
        finally:
            os.close(directory.fd)

    @classmethod
    def from_fd(cls, fd: int) -> Scoreboard:
        """The predecessor's board, from the handoff. Takes `fd` over and makes it close-on-exec.

        Raises ScoreboardError, and leaves `fd` open, if it is not a board or one of another layout.
        """
        try:
            status = os.fstat(fd)
        except OSError as error:
            raise ScoreboardError(f"descriptor {fd} is not open: no scoreboard was passed") from error
        try:
            layout.check(find.PreadMemory(fd))
        except (OSError, ScoreboardError) as error:
            raise ScoreboardError(f"descriptor {fd} is {error}") from error
        if status.st_size < layout.SIZE:  # reading behind the end of a mapped file is SIGBUS
            raise ScoreboardError(f"descriptor {fd} is a scoreboard cut to {status.st_size} bytes")
        if held.identity(status) in held.BOARDS:  # closing either would give up the slots of both
            raise ScoreboardError(f"descriptor {fd} is a scoreboard that this process has open already")
        os.set_inheritable(fd, False)
        return cls._writer(fd)

    @classmethod
    def _writer(cls, fd: int) -> Scoreboard:
        board = cls(fd, _Mapped(fd), {}, owns_fd=True)
        held.BOARDS[held.identity(os.fstat(fd))] = board
        return board

    @classmethod
    def open_path(cls, path: str) -> Scoreboard:
        """The board at `path`, for reading. Raises NoSuchServer with the cause."""
        try:
            return cls._reader(find.at_path(path))
        except OSError as error:
            raise NoSuchServer(f"no server at {path!r} ({error.strerror or error})") from error
        except ScoreboardError as error:
            raise NoSuchServer(f"no server at {path!r}: it is {error}") from error

    @classmethod
    def of_pid(cls, pid: int) -> Scoreboard:
        """The board on which process `pid` has a slot, for reading. Raises NoSuchServer if there is none."""
        for opened in find.of_pid(pid):
            board = cls._reader(opened)
            if board.alive(pid):
                return board
            board.close()
        raise NoSuchServer(f"pid {pid} is not a hotswap server")

    @classmethod
    def _reader(cls, opened: int | Scoreboard) -> Scoreboard:
        if isinstance(opened, Scoreboard):
            return cls(opened._fd, opened._memory, opened._own, owns_fd=False)
        return cls(opened, find.PreadMemory(opened), {}, owns_fd=True)

    # The board itself

    def fileno(self) -> int:
        """The descriptor to pass on; -1 when closed."""
        return self._fd

    @property
    def path(self) -> str | None:
        """Where commands find it now; None if it lives in memory or was removed."""
        return files.path_of(self._fd)

    @property
    def name(self) -> str:
        """The server's name: `rename`'s, before that `create`'s."""
        return layout.NAME.read(self._memory, layout.NAME_AT).decode("utf-8", "replace")

    @property
    def created(self) -> float:
        """When the first generation made it (Unix time)."""
        return layout.origin(self._memory)[0]

    @property
    def first_pid(self) -> int:
        """The pid of the first generation."""
        return layout.origin(self._memory)[1]

    def rename(self, name: str) -> None:
        """Change the server's name and its file's: the first address is known only when it is bound."""
        layout.NAME.write(self._writable(), layout.NAME_AT, layout.encode(name, layout.NAME_BYTES))
        files.rename(self._fd, name)

    def unlink(self) -> None:
        """Remove the file, if its path still leads to it. For the last process of a server that stops."""
        files.unlink(self._fd)

    def close(self) -> None:
        """Give up the slots and the descriptor. What still calls its slot afterwards writes to nowhere."""
        fd, self._fd = self._fd, -1
        self._memory = _Nothing()
        if fd < 0 or not self._owns_fd:
            return
        held.BOARDS.pop(held.identity(os.fstat(fd)), None)
        for slot in self._own.values():
            slot.disconnect()
        self._own.clear()
        os.close(fd)

    def _writable(self) -> mmap.mmap:
        if isinstance(self._memory, _Mapped) and self._owns_fd:
            return self._memory.map
        raise ScoreboardError("this scoreboard is open for reading only")

    # Slots

    def take_slot(self, generation: int, role: str, *, aloof: bool = False) -> Slot:
        """The first free slot, for this process in `role`; others see it from its first `set_state` on.

        `aloof`: it never polls the exchange, whatever its state. Raises ScoreboardError if every slot has a
        living owner.
        """
        buffer = self._writable()
        with self._taking:  # this process's own locks do not stop it from locking again
            for index in range(layout.SLOT_COUNT):
                if index not in self._own and locks.try_lock(self._fd, layout.slot_at(index)):
                    slot = Slot(buffer, index, generation, role, self._released, aloof=aloof)
                    self._own[index] = slot
                    slot.clear()
                    return slot
        raise ScoreboardError(f"all {layout.SLOT_COUNT} slots of the scoreboard are taken: use fewer workers")

    def _released(self, slot: Slot) -> None:
        if self._own.get(slot.index) is slot:
            slot.clear()  # before the lock goes, because then it may be another's
            slot.disconnect()
            del self._own[slot.index]
            locks.unlock(self._fd, layout.slot_at(slot.index))

    def slots(self) -> list[SlotView]:
        """All living processes that have shown a state, this one too, in the order of their slots."""
        mine = (slots.view(self._memory, index, os.getpid()) for index in list(self._own))
        return sorted([*filter(None, mine), *self._others()], key=lambda view: view.index)

    def alive(self, pid: int) -> bool:
        """Whether process `pid` lives and has shown a state here."""
        return any(view.pid == pid for view in self.slots())

    def receivers(self, exclude_self: bool = True) -> list[SlotView]:
        """The living processes that poll the exchange."""
        return [view for view in (self._others() if exclude_self else self.slots()) if view.receives]

    def receiving(self) -> bool:
        """Whether any other process polls the exchange, asked of the kernel anew (1 to 3 calls, 6 µs)."""
        return any(view.receives for view in self._others())

    def _others(self) -> Iterator[SlotView]:
        if self._fd < 0:
            return
        for lock in locks.holders(self._fd, layout.SLOTS_AT, layout.SLOTS_END):
            for index in _indexes(lock):
                view = slots.view(self._memory, index, lock.pid)
                # Between a new owner's lock and its first word the slot still shows the dead one.
                if view and locks.same_process(lock.pid, view.recorded_pid):
                    yield view

    # Restart attempts

    @property
    def attempt_counter(self) -> int:
        """The number of the latest attempt; 0 before the first."""
        return layout.attempt_counter(self._memory)

    def begin_attempt(self, successor_generation: int) -> int:
        """Enter a restart attempt that begins now, at stage "starting"; its number. One process at a time."""
        return attempts.begin(self._memory, self._writable(), successor_generation)

    def attempt_stage(self, number: int, stage: str) -> None:
        """Show how far attempt `number` is (at most 24 bytes)."""
        attempts.change(self._memory, self._writable(), number, lambda attempt: replace(attempt, stage=stage))

    def attempt_pid(self, number: int, pid: int) -> None:
        """Show the successor's pid."""
        attempts.change(self._memory, self._writable(), number, lambda attempt: replace(attempt, pid=pid))

    def end_attempt(self, number: int, ok: bool, pid: int = 0, generation: int = 0, text: str = "") -> None:
        """Enter how attempt `number` went.

        `pid` and `generation` are the successor's, 0 keeps what is known. `text` is what a failure said; its
        last 16 KiB are kept.
        """
        attempts.end(self._memory, self._writable(), number, ok=ok, pid=pid, generation=generation, text=text)

    def attempts(self) -> list[Attempt]:
        """The last sixteen attempts, oldest first."""
        return attempts.read_all(self._memory)

    def last_failure(self) -> tuple[int, str]:
        """The last failed attempt's number and text; `(0, "")` if none failed."""
        return attempts.last_failure(self._memory)


def list_servers(run_dir: str | None = None) -> list[Scoreboard]:
    """The boards of all servers that run and that this user may read, for reading; close them."""
    found: dict[held.Identity, Scoreboard] = {}
    for opened in find.in_run_dirs(run_dir):
        board = Scoreboard._reader(opened)
        identity = held.identity(os.fstat(board.fileno()))
        if identity not in found and board.slots():
            found[identity] = board
        else:
            board.close()
    return list(found.values())


def _indexes(lock: locks.Held) -> range:
    """The slots whose first byte lies inside a locked stretch."""
    first = -(-(lock.start - layout.SLOTS_AT) // layout.SLOT_SIZE)
    return range(first, -(-(lock.stop - layout.SLOTS_AT) // layout.SLOT_SIZE))


def _forget_in_child() -> None:
    """A forked child has the parent's objects but none of its locks: it must not write the parent's slots."""
    for board in held.BOARDS.values():
        board._taking = threading.Lock()
        for slot in board._own.values():
            slot.disconnect()
        board._own.clear()


os.register_at_fork(after_in_child=_forget_in_child)
