"""Workers that die, hang, are told to go, or lose their server process."""

from __future__ import annotations

import functools
import os
import re
import signal
from pathlib import Path

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import DEADLINE, eventually
from tests.harness import Program
from tests.processes import alive, arguments, descendants, descriptors, look
from tests.restart.clusters import settle, wait_workers, workers


def titles(program: Program) -> list[str]:
    """What ps shows of the server process and its workers."""
    return [" ".join(arguments(pid)) for pid in (program.serving_pid, *workers(program))]


def test_workers_answer_and_the_server_process_does_not(program: Program) -> None:
    """Which processes are there, by name; requests are answered by workers only, and both get some."""
    program.start(workers=2)
    where = [program.url, "worker 1", "worker 2"]
    assert titles(program) == [f"hotswap: app gen 1 [serving] {place}" for place in where]
    left = set(workers(program))

    def all_have_answered() -> bool:
        left.discard(int(program.get("/pid").body))
        return not left

    eventually(all_have_answered, "a worker gets nothing to do")


def test_a_dead_worker_is_replaced_at_once(program: Program) -> None:
    """kill -9: the other one answers meanwhile."""
    program.start(workers=2)
    for _ in range(2):
        before = wait_workers(program, 2)
        victim = min(before)
        program.send(signal.SIGKILL, victim)
        program.wait_for(rf"worker \d \(pid {victim}\) was killed by SIGKILL")
        assert program.get("/").status == 200
        wait_workers(program, 2, without=(victim,))
    assert program.stop() == 0


def test_a_worker_killed_by_a_signal_without_a_name(program: Program) -> None:
    """Of the real-time signals Python names two; a worker that another one has ended is replaced all the same."""
    program.start(workers=2)
    victim, other = workers(program)
    os.kill(victim, signal.SIGRTMIN + 1)
    program.wait_for(rf"pid {victim}\) was killed by signal {signal.SIGRTMIN + 1}")
    assert other in wait_workers(program, 2, without=(victim,))
    assert program.stop() == 0


def test_a_worker_that_hangs_while_it_loads(program: Program) -> None:
    """After boot_timeout it is ended, and the next one is tried: its seat is not lost."""
    program.start(post_worker_init="tests.apps.hooks.hangs_if_asked", workers=2, boot_timeout=4)
    (program.folder / "hang").touch()
    victim, other = workers(program)
    program.send(signal.SIGKILL, victim)
    hanging = program.wait_for(r"worker \d \(pid (\d+)\) has not loaded within boot_timeout = 4 s")[1]
    (program.folder / "hang").unlink()
    assert other in wait_workers(program, 2, without=(victim, int(hanging)))
    assert program.stop() == 0


def test_one_that_dies_again_and_again(program: Program) -> None:
    """It is replaced with growing delay, the others serve on, and once it is mended all is well."""
    program.start(post_worker_init="tests.apps.hooks.fails_if_asked", workers=2)
    (program.folder / "broken").touch()
    victim, other = workers(program)
    program.send(signal.SIGKILL, victim)
    # At once for the first that died, half a second after the second, then a second.
    program.wait_for(r"(?s)cannot begin.*replaced in 0.5 s.*cannot begin.*replaced in 1 s")
    assert int(program.get("/pid").body) == other
    (program.folder / "broken").unlink()
    assert other in wait_workers(program, 2)
    assert program.stop() == 0


def test_a_worker_that_is_stuck_is_killed(program: Program) -> None:
    """No heartbeat for `timeout` seconds: SIGABRT, then SIGKILL, and a replacement."""
    program.start(workers=2, timeout=1)
    victim, other = workers(program)
    program.send(signal.SIGSTOP, victim)
    program.wait_for(rf"worker \d \(pid {victim}\) gave no heartbeat for timeout = 1 s")
    # By us: the line must not send its reader looking for the kernel's out-of-memory killer.
    program.wait_for(rf"pid {victim}\) was killed by SIGKILL\n")
    assert other in wait_workers(program, 2, without=(victim,))
    assert program.stop() == 0


def test_quit_ends_a_worker_at_once(program: Program) -> None:
    """As gunicorn: what it serves is cut, and another takes its place."""
    program.start(workers=2)
    with connect(program.address) as client:
        client.sendall(request("/slow/30"))
        program.wait_for("slow 30 began")
        for pid in workers(program):
            program.send(signal.SIGQUIT, pid)
        program.wait_for(r"cut GET /slow/30 after")
        program.wait_for(r"(exited with status 0[\s\S]*){2}")
    wait_workers(program, 2)
    assert program.get("/").status == 200
    assert program.stop() == 0


def test_ctrl_c_drains(program: Program) -> None:
    """A terminal sends SIGINT to the server process and to all workers: what runs is finished, as without workers."""
    program.start(workers=2)
    with connect(program.address) as client:
        client.sendall(request("/slow/1.5"))
        program.wait_for("slow 1.5 began")
        for pid in [*workers(program), program.pid]:
            program.send(signal.SIGINT, pid)
        assert b"waited 1.5" in read_answer(client).body
    assert program.wait_status() == 0


def test_int_to_a_worker_alone(program: Program) -> None:
    """As gunicorn: it ends quickly, and is replaced."""
    program.start(workers=2)
    victim, _ = workers(program)
    program.send(signal.SIGINT, victim)
    program.wait_for(rf"pid {victim}\) exited with status 0")
    wait_workers(program, 2, without=(victim,))
    assert program.stop() == 0


def test_signals_for_the_server_process_do_no_harm_to_workers(program: Program) -> None:
    """`pkill -HUP` by name reaches workers too."""
    program.start(workers=2)
    before = workers(program)
    for pid in before:
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH):
            program.send(number, pid)
    assert program.get("/").status == 200
    assert wait_workers(program, 2) == before
    assert program.stop() == 0


@pytest.mark.parametrize("busy", [False, True])
def test_kill_9_of_the_server_process(program: Program, busy: bool) -> None:
    """Its workers finish what they serve and leave; no process is left on the port."""
    program.start(workers=2)
    first = workers(program)
    with connect(program.address) as client, connect(program.address) as idle:
        idle.sendall(request("/"))
        assert read_answer(idle).status == 200
        if busy:
            client.sendall(request("/slow/2"))
            program.wait_for("slow 2 began")
        program.send(signal.SIGKILL)
        if busy:
            assert b"waited 2" in read_answer(client).body
    program.wait_gone(*first)
    with pytest.raises(ConnectionRefusedError):
        connect(program.address)


def test_kill_9_while_workers_load(program: Program) -> None:
    """A worker that hangs in its hook or import dies with its parent: it would keep the port."""
    program.start(post_fork="tests.apps.hooks.hangs_at_fork", workers=2, ready=False)
    program.wait_for("(?s)hanging.*hanging")
    left = [process.pid for process in descendants(program.pid)]
    assert len(left) == 2
    os.kill(program.pid, signal.SIGKILL)
    program.wait_gone(program.pid, *left)


def test_the_successor_takes_what_orphans_have(program: Program) -> None:
    """The retiring server process is killed: its workers go on handing over, and finish what runs."""
    program.start(workers=2)
    with connect(program.address) as busy, connect(program.address) as idle:
        busy.sendall(request("/slow/2"))
        program.wait_for("slow 2 began")
        idle.sendall(request("/"))
        assert read_answer(idle).status == 200
        program.restart()
        program.send(signal.SIGKILL, program.pid)
        assert b"generation=1 " in read_answer(busy).body
        for client in (busy, idle):
            client.sendall(request("/"))
            assert b"generation=2 " in read_answer(client).body
    settle(program)
    assert program.stop() == 0


def test_a_lost_successor(program: Program) -> None:
    """kill -9 of the successor right after the swap: the workers of before serve again, with the connections."""
    program.start(workers=2)
    first = workers(program)
    clients = [connect(program.address) for _ in range(20)]
    for client in clients:
        client.sendall(request("/"))
        assert read_answer(client).status == 200
    program.hup()
    program.wait_for("serves: retiring")
    program.send(signal.SIGKILL)
    program.wait_for("generation 1 serves again")
    for client in clients:
        client.sendall(request("/"))
        assert read_answer(client).status == 200
        client.close()
    eventually(lambda: b"generation=1 " in program.get("/").body, "generation 1 answers")
    assert workers(program, program.pid) == first
    mark = program.mark()
    program.send(signal.SIGHUP, program.pid)
    program.wait_for(r"gen=3 pid=\d+ serving at", since=mark)
    settle(program)
    assert program.stop() == 0


def test_suspend_means_everybody(program: Program) -> None:
    """TSTP stops the workers too; after CONT all go on, and none is killed for the heartbeats it could not give."""
    program.start(workers=2, timeout=1)
    before = workers(program)
    program.send(signal.SIGTSTP)
    pids = [program.pid, *before]
    eventually(lambda: [_state(pid) for pid in pids] == ["T", "T", "T"], "all are stopped")
    with connect(program.address, timeout=4) as client:
        client.sendall(request("/slow/2.5"))
        with pytest.raises(TimeoutError):  # much longer than `timeout`
            read_answer(client)
        os.kill(program.pid, signal.SIGCONT)
        client.settimeout(DEADLINE)
        assert b"waited 2.5" in read_answer(client).body
    assert workers(program) == before
    assert program.stop() == 0


def _state(pid: int) -> str:
    process = look(pid)
    return process.state if process is not None else ""


def kinds(pid: int) -> list[str]:
    """What the open descriptors of a process are, without the numbers that differ from one to the next."""
    return sorted(re.sub(r":.*|/wgunicorn-.*", "", target) for target in descriptors(pid).values())


def test_nothing_piles_up(program: Program) -> None:
    """After ten restarts, and after workers were replaced, no process has a descriptor more than after one."""
    program.start(workers=2)
    program.restart()
    settle(program)
    first = [kinds(pid) for pid in (program.serving_pid, *workers(program))]
    for _ in range(9):
        program.restart()
    settle(program)
    assert [kinds(pid) for pid in (program.serving_pid, *workers(program))] == first
    for _ in range(2):
        before = tuple(wait_workers(program, 2))
        for pid in before:
            program.send(signal.SIGTERM, pid)
        wait_workers(program, 2, without=before)
    eventually(lambda: kinds(program.serving_pid) == first[0], "the server process has let go of those that left")
    # One that is forked later has the same as one that was there from the start.
    assert [kinds(pid) for pid in workers(program)] == first[1:]
    assert not [process for process in descendants(program.serving_pid) if process.zombie]
    assert program.stop() == 0


def test_logs_are_reopened_in_workers(program: Program) -> None:
    """After logrotate the access log goes on in a new file, whichever worker answers."""
    log = program.folder / "access.log"
    program.start(workers=2, accesslog=str(log))
    log.rename(program.folder / "access.log.1")
    program.send(signal.SIGUSR1)
    for number in range(10):
        path = f"/echo/{number}"
        eventually(functools.partial(_is_logged, program, log, path), f"{path} is not in the new file")
    assert program.stop() == 0


def _is_logged(program: Program, log: Path, path: str) -> bool:
    program.get(path)
    return log.exists() and path in log.read_text()


def test_the_hammer_reaches_workers(program: Program) -> None:
    """graceful_timeout: what still runs is cut, and named in the log."""
    program.start(workers=2, graceful_timeout=1)
    with connect(program.address) as client:
        client.sendall(request("/slow/30"))
        program.wait_for("slow 30 began")
        left = workers(program)
        assert program.stop() == 0
    assert "graceful_timeout is over" in program.text()
    assert "cut GET /slow/30" in program.text()
    assert not [pid for pid in left if alive(pid)]
