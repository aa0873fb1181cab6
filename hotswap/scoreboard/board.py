"""`Scoreboard`: one server's shared file, as its processes write it and as a command reads it."""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import threading
from collections.abc import Iterator

from hotswap.errors import NoSuchServer, SettingError
from hotswap.scoreboard import (
    attempts,
    deployment,
    ended,
    files,
    find,
    layout,
    lingerers,
    locks,
    open_boards,
    run_directory,
    signpost,
    slots,
    tally,
    wishes,
)
from hotswap.scoreboard.attempts import Attempt
from hotswap.scoreboard.deployment import Deployment
from hotswap.scoreboard.layout import Memory, ScoreboardError
from hotswap.scoreboard.open_boards import OpenBoard
from hotswap.scoreboard.slots import Slot, SlotOwner, SlotView


class _Mapped:
    """A board mapped into memory, for its own processes. The mapping holds a descriptor too: see `open_boards`."""

    def __init__(self, fd: int) -> None:
        self.map = mmap.mmap(fd, files.complete(fd))

    def peek(self, at: int, size: int) -> bytes:
        """See `layout.Memory`."""
        return self.map[at : at + size].ljust(size, b"\0")


class _Nothing:
    """The memory of a closed board: zeros."""

    def peek(self, at: int, size: int) -> bytes:
        """See `layout.Memory`."""
        return bytes(size)


class Scoreboard:
    """Which processes a server has, in which state they are, and how its last restarts went.

    `create` and `from_fd` return a board that writes, one for each file and process, open until `close`: closing any
    descriptor of the file gives up the process's slots. `open_path`, `of_pid` and `list_servers` return boards that
    only read.

    Thread: any thread may read (`slots`, `receiving`, `attempts`, …) and take a slot; the methods that change restart
    attempts, the name, or the board itself are for the main thread of a server process.
    Raises: ScoreboardError from any method that writes, on a board that only reads.
    """

    def __init__(self, fd: int, memory: Memory, own: dict[int, Slot], *, owns_fd: bool) -> None:
        """Only for this class: callers use `create`, `from_fd`, `open_path` or `of_pid`."""
        self._fd = fd
        self._memory: Memory = memory
        self._own = own
        self._owns_fd = owns_fd
        self._taking = threading.Lock()
        #: the server processes whose slots this process took, having found them dead
        self._followed: list[SlotView] = []
        #: in which this process lingers
        self._lingers: Slot | None = None
        self.why_no_path = ""
        #: the path of the link that this process has put up in the place of a deleted file
        self._signpost = ""

    # Getting one

    @classmethod
    def create(cls, run_dir: str | None, name: str) -> Scoreboard:
        """Make a new board for the first generation of a server, in `run_dir` or the usual run directory.

        If no directory can be used, or the disk is full, the board lies in memory: `path` is None and `why_no_path`
        says why. Raises SettingError if `run_dir` is given and is not a directory that only this user can write to,
        ScoreboardError if there is no memory either.
        """
        reason = ""
        try:
            fd = cls._create_file(run_dir, name)
        except (OSError, run_directory.Unusable) as error:
            reason = str(error)
            fd = cls._create_in_memory(name, reason)
        try:
            board = cls._writer(fd)
        except BaseException:  # a mapping takes a descriptor too
            files.unlink(fd)
            os.close(fd)
            raise
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
        directory = run_directory.prepare(run_dir)
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
        """Open the predecessor's board, whose descriptor came with the handoff; own `fd` and make it close-on-exec.

        Raises ScoreboardError, and leaves `fd` open, if it is no board, a board of another layout, or one that this
        process has open already.
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
        if open_boards.identity(status) in open_boards.BOARDS:  # closing either would give up the slots of both
            raise ScoreboardError(f"descriptor {fd} is a scoreboard that this process has open already")
        os.set_inheritable(fd, False)
        return cls._writer(fd)

    @classmethod
    def _writer(cls, fd: int) -> Scoreboard:
        board = cls(fd, _Mapped(fd), {}, owns_fd=True)
        open_boards.BOARDS[open_boards.identity(os.fstat(fd))] = board
        return board

    @classmethod
    def open_path(cls, path: str) -> Scoreboard:
        """Open the board at `path` for reading. Raises NoSuchServer with the cause."""
        try:
            return cls._reader(find.at_path(path))
        except OSError as error:
            raise NoSuchServer(f"no server at {path!r} ({error.strerror or error})") from error
        except ScoreboardError as error:
            raise NoSuchServer(f"no server at {path!r}: it is {error}") from error

    @classmethod
    def of_pid(cls, pid: int) -> Scoreboard:
        """Open the board on which process `pid` has a slot, for reading, or the one that it keeps for others, as a
        starter does. Raises NoSuchServer if there is none."""
        for opened in find.of_pid(pid):
            board = cls._reader(opened)
            # This very process may have a board open that it only reads.
            if board.alive(pid) or board.lingerer(pid) or (pid != os.getpid() and board.slots()):
                return board
            board.close()
        raise NoSuchServer(f"pid {pid} is not a hotswap server")

    @classmethod
    def of_this_process(cls) -> Scoreboard | None:
        """The board of the server that serves in this process, or has forked it; None if there is none. It stays
        open: the caller must not close it."""
        boards = [board for board in open_boards.BOARDS.values() if isinstance(board, cls)]
        return boards[-1] if boards else None

    @classmethod
    def _reader(cls, opened: int | OpenBoard) -> Scoreboard:
        if isinstance(opened, int):
            return cls(opened, find.PreadMemory(opened), {}, owns_fd=True)
        assert isinstance(opened, Scoreboard)  # `_writer` is all that enters one
        return cls(opened._fd, opened._memory, opened._own, owns_fd=False)

    # The board itself

    def fileno(self) -> int:
        """The descriptor to pass on; -1 when closed."""
        return self._fd

    @property
    def path(self) -> str | None:
        """The path at which commands find it now; None if it lies in memory or was removed."""
        return files.path_of(self._fd)

    @property
    def owner(self) -> int:
        """The uid of the user who made it, and can write whatever is read from it."""
        return os.fstat(self._fd).st_uid

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
        """Change the server's name and its file's, if they differ: for the generation that serves now."""
        layout.NAME.write(self._writable(), layout.NAME_AT, layout.encode(name, layout.NAME_BYTES))
        files.rename(self._fd, name)

    @property
    def deployment(self) -> Deployment | None:
        """What serves, as the generation that began to serve last has written it; None if it is of an older release."""
        return deployment.read(self._memory)

    def deployed(self, what: Deployment) -> None:
        """Show what serves: for the generation that serves now."""
        deployment.write(self._writable(), what)

    def keep_path(self, run_dir: str | None) -> str:
        """Keep cleaners of old files away from the file. If it was deleted all the same, or never had a path, make the
        run directory anew, and put a link to the board there; return the link's path, "" if nothing was to be done, or
        can be done. For the generation that serves now, as often as it likes.
        """
        if self.path is not None or signpost.is_up(self._signpost, self._fd):
            with contextlib.suppress(OSError):  # the program has become another user since
                os.utime(self.path or self._signpost, follow_symlinks=False)
            return ""
        try:
            directory = run_directory.prepare(run_dir)
        except (OSError, SettingError, run_directory.Unusable):
            return ""
        try:
            self._signpost = files.name_again(directory, self._fd, self.name)
        except OSError:
            return ""
        finally:
            os.close(directory.fd)
        return self._signpost

    def unlink(self) -> None:
        """Remove the file, if its path still leads to it, or the link in its place. Called by the last process of a
        server that stops."""
        files.unlink(self._fd)
        files.take_down(self._signpost, self._fd)

    def close(self) -> None:
        """Give up the slots and the descriptor. A thread that still uses its slot afterwards writes to nowhere."""
        fd, self._fd = self._fd, -1
        self._memory = _Nothing()
        if fd < 0 or not self._owns_fd:
            return
        open_boards.BOARDS.pop(open_boards.identity(os.fstat(fd)), None)
        for slot in self._own.values():
            slot.disconnect()
        self._own.clear()
        self._lingers = None
        os.close(fd)

    def forget_in_child(self) -> None:
        """Called in a forked child, which has the parent's objects but none of its locks: disconnect them all, or the
        child would write the parent's slots."""
        self._taking = threading.Lock()
        for slot in self._own.values():
            slot.disconnect()
        self._own.clear()
        self._lingers = None

    def _writable(self) -> mmap.mmap:
        if isinstance(self._memory, _Mapped) and self._owns_fd:
            return self._memory.map
        raise ScoreboardError("this scoreboard is open for reading only")

    # Slots

    def take_slot(self, generation: int, role: str, *, may_receive: bool = True, attempt: int = 0) -> Slot:
        """Take the first free slot for this process; other processes see it from its first `set_state` on.

        `role`: "server" or "worker". Without `may_receive` this process never polls the exchange, whatever its state.
        `attempt`: see `SlotView`. If every slot has a living owner, that which has lingered longest loses its own.
        Raises ScoreboardError if none lingers. From any thread.
        """
        buffer = self._writable()
        owner = SlotOwner(generation, role, may_receive, attempt)
        with self._taking:  # against other threads: a process can take the locks that it has already once more
            index = self._lock_a_slot()
            slot = Slot(buffer, index, owner, self._released)
            self._own[index] = slot
            slot.clear()
            return slot

    def _lock_a_slot(self) -> int:
        for index in range(layout.SLOT_COUNT):
            at = layout.slot_at(index)
            # Both bytes: the second one is of a process that lingers.
            if index not in self._own and not self._lingers_at(index) and locks.try_lock(self._fd, at, 2):
                locks.unlock(self._fd, at + 1)
                self._followed += filter(None, [ended.server_in(self._memory, index)])
                return index
        for view in sorted(lingerers.others(self._fd, self._memory), key=lambda view: view.since):
            if locks.try_lock(self._fd, layout.slot_at(view.index)):
                return view.index
        raise ScoreboardError(f"all {layout.SLOT_COUNT} slots of the scoreboard are taken: use fewer workers")

    def take_ended(self) -> list[SlotView]:
        """Take the server processes off the board that have ended, in whatever way; return each of them once, over all
        processes that call this. Their pids are `recorded_pid`.

        A process that does not call it may take a slot, and with it what is known of its owner before.
        """
        followed, self._followed = self._followed, []
        own = {*self._own, self._lingers.index} if self._lingers is not None else self._own
        return [*followed, *ended.take(self._fd, self._memory, self._writable(), own)]

    def linger(self, slot: Slot, *, has_stopped: bool) -> None:
        """This process is none of the server's any more, but has not ended: keep `slot` as long as no other needs it.

        The board stays open until the process ends, or `close` is called. On the main thread.
        """
        at = layout.slot_at(slot.index)
        locks.try_lock(self._fd, at + 1)
        slot.linger(has_stopped=has_stopped)
        del self._own[slot.index]
        self._lingers = slot
        # Last: until then it is not another's, and the first byte says that a process is there.
        locks.unlock(self._fd, at)

    def held_by(self, text: str) -> None:
        """Say what holds this process, which lingers."""
        slot = self._lingers
        # Else another process has taken the slot.
        if slot is not None and (view := lingerers.view(self._memory, slot.index, os.getpid())):
            slot.linger(has_stopped=view.has_stopped, held_by=text)

    @property
    def is_lingered_on(self) -> bool:
        """Whether this process lingers here."""
        return self._lingers is not None

    def _lingers_at(self, index: int) -> bool:
        return self._lingers is not None and self._lingers.index == index

    def _released(self, slot: Slot) -> None:
        if self._own.get(slot.index) is slot:
            slot.clear()  # before the lock goes: after that the slot may be another process's
            slot.disconnect()
            del self._own[slot.index]
            locks.unlock(self._fd, layout.slot_at(slot.index))

    def slots(self) -> list[SlotView]:
        """Return all living processes that have shown a state, this one too, in the order of their slots; none that
        lingers."""
        mine = (slots.view(self._memory, index, os.getpid()) for index in list(self._own))
        return sorted([*filter(None, mine), *self._others()], key=lambda view: view.index)

    def alive(self, pid: int) -> bool:
        """Return whether process `pid` lives and has shown a state on this board."""
        return any(view.pid == pid for view in self.slots())

    def receivers(self, exclude_self: bool = True) -> list[SlotView]:
        """Return the living processes that poll the exchange."""
        return [view for view in (self._others() if exclude_self else self.slots()) if view.receives]

    def receiving(self) -> bool:
        """Return whether any other process polls the exchange. Asks the kernel each time (1 to 3 calls, 6 µs)."""
        return any(view.receives for view in self._others())

    def _others(self) -> Iterator[SlotView]:
        if self._fd < 0:
            return
        for lock in locks.holders(self._fd, layout.SLOTS_AT, layout.SLOTS_END):
            for index in locks.slots_of(lock):
                view = slots.view(self._memory, index, lock.pid)
                # Between a new owner's lock and its first write the slot still shows the dead owner.
                if view and locks.same_process(lock.pid, view.recorded_pid):
                    yield view

    def lingering(self) -> list[SlotView]:
        """Return the living processes that linger, this one too: they have retired or stopped, and are in no other
        list."""
        mine = lingerers.view(self._memory, self._lingers.index, os.getpid()) if self._lingers is not None else None
        others = lingerers.others(self._fd, self._memory)
        return sorted([*filter(None, [mine]), *others], key=lambda view: view.index)

    def everyone(self) -> list[SlotView]:
        """Return all living processes, also those that linger, in the order of their slots."""
        # In this order: one that begins to linger in between is seen twice, and not overlooked.
        views = self.slots()
        seen = {view.pid for view in views}
        views += [view for view in self.lingering() if view.pid not in seen]
        return sorted(views, key=lambda view: view.index)

    def lingerer(self, pid: int) -> SlotView | None:
        """Return process `pid` if it lingers."""
        return next((view for view in self.lingering() if view.pid == pid), None)

    # What was done

    def totals(self) -> dict[str, int]:
        """Return what the server has done since it began, by the names in `tally.SUMS`: numbers that never go back.

        A process writes down what it has done every second, the latest when it leaves.
        """
        return tally.totals(self._memory)

    def count(self, **figures: int) -> None:
        """Add to the server's sums, by the names in `tally.SUMS`: for what a server process itself counts."""
        for slot in list(self._own.values())[:1]:
            slot.tally.add(**figures)

    def done_by(self, generation: int, attempt: int) -> dict[str, int]:
        """Return what the processes of one generation have done, living or not, by `tally.OF_GENERATION`.

        `attempt` is its server process's, as in `SlotView`: an attempt that failed had a generation of that number too.
        """
        return tally.of_generation(self._memory, generation, attempt)

    # Restart attempts

    @property
    def attempt_counter(self) -> int:
        """The number of the latest attempt; 0 before the first."""
        return layout.attempt_counter(self._memory)

    def begin_attempt(self, successor_generation: int) -> int:
        """Enter a restart attempt that begins now, at stage "starting"; return its number.

        One process at a time: the attempts of two that do this at once may get the same number.
        """
        return attempts.begin(self._memory, self._writable(), successor_generation)

    def attempt_stage(self, number: int, stage: str) -> None:
        """Show how far attempt `number` is: `stage` has at most 24 bytes."""
        attempts.change(self._memory, self._writable(), number, lambda attempt: attempt._replace(stage=stage))

    def attempt_pid(self, number: int, pid: int) -> None:
        """Show the pid of the successor that attempt `number` has started."""
        attempts.change(self._memory, self._writable(), number, lambda attempt: attempt._replace(pid=pid))

    def end_attempt(
        self, number: int, ok: bool, pid: int = 0, generation: int = 0, text: str = "", at_ns: int = 0
    ) -> None:
        """Enter how attempt `number` ended.

        `pid` and `generation` are the successor's, 0 keeps what the attempt has. `text` says why it failed; its last 16
        KiB are kept. `at_ns`: when it ended (time.monotonic_ns()), 0 for now.
        """
        runs = self._attempt(number, outcome="")
        attempts.end(
            self._memory, self._writable(), number, ok=ok, pid=pid, generation=generation, text=text, at_ns=at_ns
        )
        if runs and ok and (ended := self._attempt(number, outcome="ok")):
            self.count(restarts_ok=1, restart_us=int(ended.took * 1e6))
        elif runs:
            self.count(restarts_failed=1)

    def _attempt(self, number: int, outcome: str) -> Attempt | None:
        found = (attempt for attempt in self.attempts() if (attempt.number, attempt.outcome) == (number, outcome))
        return next(found, None)

    def attempts(self) -> list[Attempt]:
        """Return the last sixteen attempts, oldest first."""
        return attempts.read_all(self._memory)

    def last_failure(self) -> tuple[int, str]:
        """Return the last failed attempt's number and text; `(0, "")` if none failed."""
        return attempts.last_failure(self._memory)

    # What commands ask for

    def wish_probation(self, seconds: float) -> None:
        """Ask that the next attempt to begin has so many seconds of probation, whatever its settings say. Raises
        OSError where this user may not write."""
        with self._first_page() as page:
            wishes.wish_probation(page, self.attempt_counter + 1, seconds)

    def wished_probation(self, number: int) -> float | None:
        """Return the seconds that were asked for in attempt `number`; None if its settings decide."""
        return wishes.wished_probation(self._memory, number)

    def ask_rollback(self, number: int) -> None:
        """Ask that the successor of attempt `number`, which is on probation, is taken back. Raises OSError where this
        user may not write."""
        with self._first_page() as page:
            wishes.ask_rollback(page, number)

    def rollback_asked(self, number: int) -> bool:
        """Return whether that was asked."""
        return wishes.rollback_asked(self._memory, number)

    def _first_page(self) -> contextlib.AbstractContextManager[mmap.mmap]:
        # A process of the server must not open the file once more.
        mapped = self._memory if isinstance(self._memory, _Mapped) else None
        return wishes.WritablePage(self._fd) if mapped is None else contextlib.nullcontext(mapped.map)


def list_servers(run_dir: str | None = None) -> list[Scoreboard]:
    """Return the boards of all running servers that this user may read, open for reading; the caller closes them.

    With `run_dir` those only that lie there.
    """
    found: dict[open_boards.Identity, Scoreboard] = {}
    in_processes = find.in_processes() if run_dir is None else ()
    for opened in itertools.chain(find.in_run_dirs(run_dir), in_processes):
        board = Scoreboard._reader(opened)
        identity = open_boards.identity(os.fstat(board.fileno()))
        if identity not in found and (board.slots() or board.lingering()):
            found[identity] = board
        else:
            board.close()
    return list(found.values())
