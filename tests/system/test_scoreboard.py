"""The scoreboard as a server's processes use it: which are there, in which state, and how it is passed on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hotswap.scoreboard import SLOT_COUNT, Scoreboard, ScoreboardError, list_servers
from tests.live import starts_processes
from tests.system.boards import IMPORT, successor
from tests.system.other_process import OtherProcess

# Slots


def test_own_slot_shows_identity_and_state(board: Scoreboard) -> None:
    """A process sees itself on the board with all it has said, although its own lock is invisible to it."""
    before = time.time()
    slot = board.take_slot(3, "worker")
    slot.set_state("serving")
    (view,) = board.slots()
    assert (view.index, view.pid, view.generation, view.role, view.state) == (
        0,
        os.getpid(),
        3,
        "worker",
        "serving",
    )
    assert view.recorded_pid == os.getpid()
    assert before <= view.started <= view.since <= time.time()
    assert board.alive(os.getpid())


def test_slot_without_state_is_not_seen(board: Scoreboard) -> None:
    """Between taking a slot and the first state there is nothing to show."""
    board.take_slot(1, "server")
    assert board.slots() == []


def test_counters(board: Scoreboard) -> None:
    """Counters are shown as they were last set; an unknown one is a KeyError of the caller's."""
    slot = board.take_slot(1, "server")
    slot.set_state("serving")
    slot.update(connections=7, requests=2**40, in_flight=1)
    slot.update(handed_over=5, adopted=6, requests=2**40 + 1)
    (view,) = board.slots()
    assert (view.connections, view.requests, view.in_flight) == (7, 2**40 + 1, 1)
    assert (view.handed_over, view.adopted, view.accepted) == (5, 6, 0)
    with pytest.raises(KeyError):
        slot.update(nonsense=1)


def test_state_changes_since(board: Scoreboard) -> None:
    """`since` is the time of the last change, `started` stays; a long state is cut to what fits."""
    slot = board.take_slot(1, "server")
    slot.set_state("booting")
    (booting,) = board.slots()
    slot.set_state("x" * 40)
    (changed,) = board.slots()
    assert changed.state == "x" * 16
    assert changed.started == booting.started
    assert changed.since >= booting.since


@starts_processes
def test_another_process_is_seen_until_it_is_killed(board: Scoreboard) -> None:
    """A killed process is gone from the board at once, whatever its slot still says."""
    with successor(board) as other:
        (view,) = board.slots()
        assert (view.pid, view.generation, view.state) == (other.pid, 2, "serving")
        assert board.alive(other.pid)
        assert board.receiving()
        other.kill()
        assert board.slots() == []
        assert not board.alive(other.pid)
        assert not board.receiving()


@starts_processes
def test_both_processes_see_each_other(board: Scoreboard) -> None:
    """Each process sees all slots, in the order of their places."""
    board.take_slot(1, "server").set_state("retiring")
    with successor(board) as other:
        ours, theirs = (
            [(view.index, view.pid, view.state) for view in board.slots()],
            other.ask("[(view.index, view.pid, view.state) for view in board.slots()]"),
        )
        assert ours == theirs == [(0, os.getpid(), "retiring"), (1, other.pid, "serving")]


@starts_processes
def test_killed_process_leaves_its_slot_to_the_next(board: Scoreboard) -> None:
    """A dead owner's slot is taken over, and nothing the dead one wrote is taken for the new one's."""
    with successor(board) as dead:
        dead.do("slot.update(requests=99)")
        dead.kill()
    with successor(board, state="") as heir:
        assert heir.ask("slot.index") == 0
        assert board.slots() == []
        heir.do("slot.set_state('booting')")
        (view,) = board.slots()
        assert (view.pid, view.state, view.requests) == (heir.pid, "booting", 0)


@starts_processes
def test_dead_owners_words_under_a_new_lock(board: Scoreboard) -> None:
    """Between a new owner's lock and its first word, the dead owner's state is not shown as the new one's."""
    with successor(board) as dead:
        dead.kill()
    with OtherProcess(board.fileno()) as locker:
        locker.do("import fcntl; from hotswap.scoreboard import layout")
        locker.do(f"fcntl.lockf({board.fileno()}, fcntl.LOCK_EX, 1, layout.slot_at(0))")
        assert board.slots() == []
        assert not board.receiving()


@starts_processes
def test_released_slot(board: Scoreboard) -> None:
    """After release the process is off the board, its slot free for others, and late calls are harmless."""
    slot = board.take_slot(1, "server")
    slot.set_state("serving")
    slot.release()
    assert board.slots() == []
    with successor(board) as other:
        assert other.ask("slot.index") == 0
        slot.update(requests=5)
        slot.set_state("serving")
        slot.release()
        (view,) = board.slots()
        assert (view.pid, view.requests) == (other.pid, 0)


def test_slot_taken_again(board: Scoreboard) -> None:
    """A process that takes the slot it had before does not show what it was then."""
    first = board.take_slot(1, "server")
    first.set_state("serving")
    first.release()
    second = board.take_slot(1, "server")
    assert second.index == first.index
    assert board.slots() == []


def test_two_slots_of_one_process(board: Scoreboard) -> None:
    """A process that takes two slots gets two: its own lock would not stop it from taking one twice."""
    first, second = board.take_slot(1, "server"), board.take_slot(1, "worker")
    assert (first.index, second.index) == (0, 1)


@starts_processes
def test_more_processes_than_slots(board: Scoreboard) -> None:
    """A full board refuses with a sentence; one slot freed is enough to go on."""
    slots = [board.take_slot(1, "worker") for _ in range(SLOT_COUNT)]
    with OtherProcess(board.fileno()) as other:
        other.do(f"{IMPORT}; board = Scoreboard.from_fd({board.fileno()})")
        other.do("text = ''\ntry: board.take_slot(1, 'worker')\nexcept ScoreboardError as error: text = str(error)")
        assert other.ask("text") == "all 256 slots of the scoreboard are taken: use fewer workers"
        with pytest.raises(ScoreboardError, match="256 slots"):
            board.take_slot(1, "worker")
        slots[77].release()
        assert other.ask("board.take_slot(1, 'worker').index") == 77


@pytest.mark.parametrize(
    ("state", "receives"),
    [
        ("booting", False),
        ("serving", True),
        ("restarting", True),
        ("handing-over", True),
        ("retiring", False),
        ("draining", False),
        ("gone", False),
    ],
)
@starts_processes
def test_who_receives(board: Scoreboard, state: str, receives: bool) -> None:
    """Only processes that poll the exchange count as receivers; the asking one does not."""
    board.take_slot(1, "server").set_state("serving")
    with successor(board, state) as other:
        assert board.receiving() is receives
        assert [view.pid for view in board.receivers()] == [other.pid] * receives
        assert [view.pid for view in board.receivers(exclude_self=False)] == [os.getpid()] + [other.pid] * receives


@starts_processes
def test_forked_child_is_not_its_parent(board: Scoreboard) -> None:
    """A fork inherits no slot: what it says in its parent's goes nowhere, and it takes one of its own."""
    with successor(board) as other:
        other.do("read, write = os.pipe()")
        other.do(
            "child = os.fork()\n"
            "if not child:\n"
            "    slot.set_state('draining'); slot.update(requests=5); slot.release()\n"
            "    mine = board.take_slot(2, 'worker'); mine.set_state('serving')\n"
            "    os.write(write, repr([view.pid for view in board.slots()]).encode())\n"
            "    import signal; signal.pause()"
        )
        child = other.ask("child")
        assert other.ask("os.read(read, 100).decode()") == f"[{other.pid}, {child}]"
        server, worker = board.slots()
        assert (server.pid, server.role, server.state, server.requests) == (other.pid, "server", "serving", 0)
        assert (worker.pid, worker.role, worker.index) == (child, "worker", 1)
        other.do("os.kill(child, 9); os.waitpid(child, 0)")
        assert [view.pid for view in board.slots()] == [other.pid]


@starts_processes
def test_child_of_a_dead_server_does_not_keep_it_alive(board: Scoreboard) -> None:
    """A leftover child (multiprocessing) holds the descriptor and the mapping, but not its parent's slot."""
    with successor(board) as other:
        other.do("import signal\nchild = os.fork()\nif not child: signal.pause()")
        child = other.ask("child")
        other.kill()
        try:
            assert board.slots() == []
        finally:
            os.kill(child, 9)


@starts_processes
def test_subprocesses_do_not_cost_the_lock(board: Scoreboard) -> None:
    """Popen closes the board's descriptor in the child, and that is not one of ours."""
    with successor(board) as other:
        other.do("import subprocess; subprocess.run(['true'], check=True)")
        other.do("subprocess.run(['true'], check=True, close_fds=True, preexec_fn=os.getpid)")
        assert board.alive(other.pid)


@starts_processes
def test_reading_its_own_board_does_not_cost_the_lock(board: Scoreboard) -> None:
    """A server that looks at its own board as commands do keeps its slot: that file is not opened twice."""
    with successor(board) as other:
        other.do("Scoreboard.of_pid(os.getpid()).close()")
        other.do("Scoreboard.open_path(board.path).close()")
        other.do("[found.close() for found in list_servers(os.path.dirname(board.path))]")
        assert other.ask("[view.pid for view in Scoreboard.open_path(board.path).slots()]") == [other.pid]
        assert board.alive(other.pid)


@starts_processes
def test_forgotten_board_keeps_its_slot(tmp_path: Path) -> None:
    """A board that no other object refers to is not collected: with its mapping the locks would go."""
    with OtherProcess() as other:
        other.do(
            f"{IMPORT}; import gc\n"
            f"Scoreboard.create({str(tmp_path)!r}, 'x').take_slot(1, 'server').set_state('serving')"
        )
        other.do("gc.collect()")
        (found,) = list_servers(str(tmp_path))
        assert found.alive(other.pid)
        found.close()


def test_closed_board(board: Scoreboard) -> None:
    """After close the process is off the board and what still reads or counts is harmless."""
    slot = board.take_slot(1, "server")
    slot.set_state("serving")
    path = board.path
    assert path
    board.close()
    board.close()
    slot.update(requests=1)
    slot.set_state("draining")
    slot.release()
    assert board.slots() == board.receivers() == []
    assert board.attempts() == []
    assert not board.receiving()
    assert board.path is None
    assert board.fileno() == -1
    with pytest.raises(ScoreboardError):
        board.take_slot(1, "server")
    reader = Scoreboard.open_path(path)
    assert reader.slots() == []
    reader.close()


@starts_processes
def test_board_is_not_inherited_by_chance(board: Scoreboard) -> None:
    """The descriptor is close-on-exec; a handoff passes it on purpose."""
    assert not os.get_inheritable(board.fileno())
    with successor(board) as other:
        assert not other.ask("os.get_inheritable(board.fileno())")


# The handoff


@starts_processes
def test_board_outlives_its_maker(tmp_path: Path) -> None:
    """What the first generation wrote is there for the next, with the same name, path and attempts."""
    first = Scoreboard.create(str(tmp_path), "site")
    number = first.begin_attempt(2)
    with successor(first) as second:
        path, created = first.path, first.created
        first.close()
        assert second.ask("(board.name, board.path, board.created)") == ("site", path, created)
        assert second.ask("board.first_pid") == os.getpid()
        second.do(f"board.end_attempt({number}, True, pid=os.getpid(), generation=2)")
        reader = Scoreboard.of_pid(second.pid)
        assert [attempt.outcome for attempt in reader.attempts()] == ["ok"]
        reader.close()


def test_handoff_of_something_else(tmp_path: Path) -> None:
    """What is not a board is refused with its cause, and left open: other code may use it."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 200_000)
    read, write = os.pipe()
    fd = os.open(path, os.O_RDWR)
    for wrong in (fd, read):
        with pytest.raises(ScoreboardError, match=f"descriptor {wrong} is"):
            Scoreboard.from_fd(wrong)
        os.fstat(wrong)
        os.close(wrong)
    os.close(write)
    with pytest.raises(ScoreboardError, match="not open"):
        Scoreboard.from_fd(fd)


def test_handoff_of_a_cut_board(tmp_path: Path) -> None:
    """A board that has been cut is refused, because reading behind its end would kill us (SIGBUS)."""
    made = Scoreboard.create(str(tmp_path), "x")
    path = made.path
    made.close()
    assert path
    os.truncate(path, 4096)
    fd = os.open(path, os.O_RDWR)
    with pytest.raises(ScoreboardError, match="cut to 4096 bytes"):
        Scoreboard.from_fd(fd)
    os.close(fd)


def test_same_board_twice_in_one_process(board: Scoreboard) -> None:
    """A second writing board of the same file is refused: closing either would give up the slots of both."""
    fd = os.dup(board.fileno())
    try:
        with pytest.raises(ScoreboardError, match="open already"):
            Scoreboard.from_fd(fd)
    finally:
        os.close(fd)
