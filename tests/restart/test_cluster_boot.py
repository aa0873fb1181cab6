"""Booting with workers: what a worker cannot do fails the restart with its own words, and changes nothing."""

from __future__ import annotations

import functools
import re
import signal
import socket
import sys
from typing import Any

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import DEFAULT, Program
from tests.processes import descendants
from tests.restart.clusters import settle, wait_workers, workers
from tests.restart.test_broken_deploys import BROKEN, GOOD, boot_timeout, restart
from tests.restart.worker_classes import start

#: `hotswap run --no-preload app:app`: the module is imported in each worker, the folder's app.py is it.
NO_PRELOAD = [sys.executable, "-m", "hotswap", "run", "-w", "2", "--no-preload", "-b", "127.0.0.1:0", "app:app"]


#: What fails in one process fails alike before two workers and before four; these three end in several.
WITH_FOUR = ("import error below hotswap", "kill -9 of itself", "failing check")


@pytest.mark.parametrize(
    ("number", "name"), [*((2, name) for name in BROKEN), *((4, name) for name in BROKEN if name in WITH_FOUR)]
)
def test_the_running_version_serves_on(program: Program, number: int, name: str) -> None:
    """The table of broken deploys, with two workers, and what ends in several of them with four."""
    broken, says = BROKEN[name]
    program.start(boot_timeout=boot_timeout(name), workers=number)
    before = workers(program)
    program.deploy(**broken)
    command = restart(program)
    assert command.returncode == 1, command.stdout
    assert says in command.stdout + command.stderr
    assert program.get("/version").body == b"1"
    assert workers(program) == before
    program.deploy(**GOOD, version="2")
    command = restart(program)
    assert command.returncode == 0, command.stdout + command.stderr
    eventually(lambda: program.get("/version").body == b"2", "the mended version serves")
    settle(program)
    assert program.stop() == 0


def run(program: Program, *arguments: str) -> Program:
    """`hotswap run` with the module, which each worker imports."""
    program.start(command=[*NO_PRELOAD, *arguments])
    return program


FAILING_LOADS: dict[str, tuple[dict[str, Any], str]] = {
    "exception": ({"below": "boots.divides"}, "ZeroDivisionError: division by zero"),
    "long message": ({"below": ("boots.raises", "\U0001f600", 16384)}, "\U0001f600 is the end"),
    "missing module": ({"below": ("boots.imports", "not_there_1")}, "No module named 'not_there_1'"),
    "killed": ({"below": ("boots.kills_itself", 9)}, "was killed by SIGKILL"),
    "exit": ({"below": ("boots.exits", 7)}, "exited with status 7"),
    "hang": ({"below": "boots.hangs"}, "boot_timeout (6 s)"),
    "not an application": ({"text": "def application(environ, start): ...\n"}, "did you mean"),
}


@pytest.mark.parametrize("name", FAILING_LOADS)
def test_loading_fails_in_a_worker(program: Program, name: str) -> None:
    """Its own traceback is the restart's; no process of the failed generation is left, and the next one works."""
    broken, says = FAILING_LOADS[name]
    # The mended one has to be ready within the same time.
    run(program, "--boot-timeout", str(boot_timeout(name)))
    before = workers(program)
    program.deploy(**broken)
    command = restart(program)
    assert command.returncode == 1, command.stdout
    assert says in command.stdout + command.stderr
    if name == "exception":
        assert f'File "{program.script}"' in command.stderr
        assert "gunicorn/util.py" not in command.stderr
    if name == "hang":
        assert re.search(rf'where it hung:[\s\S]*File "{program.script}"', command.stderr), command.stderr
    assert program.get("/").status == 200
    eventually(lambda: {p.pid for p in descendants(program.pid) if not p.zombie} == set(before), "a process is left")
    program.deploy(**GOOD, version="2")
    assert restart(program).returncode == 0
    settle(program)
    assert program.get("/version").body == b"2"
    assert program.stop() == 0


def test_a_hang_behind_the_startup(program: Program) -> None:
    """The restart fails, and the worker does not stay: its event loop hears no signal, and it has the listeners."""
    start(program, "asgi", boot_timeout=4)
    program.deploy(below=("startups.choose", "first_hangs_later"))
    command = restart(program)
    assert command.returncode == 1
    assert "boot_timeout (4 s)" in command.stderr
    program.wait_gone(int(program.wait_for(r"hangs in (\d+)")[1]))
    assert program.stop() == 0


def test_kill_9_of_a_booting_successors_worker(program: Program) -> None:
    """The successor's server process says so and ends; its other worker with it."""
    run(program)
    before = workers(program)
    program.deploy(below="boots.hangs")
    program.hup()
    program.wait_for("(?s)hanging.*hanging")
    (successor,) = [
        process.pid
        for process in descendants(program.pid)
        if process.parent == program.pid and process.pid not in before
    ]
    booting = [process.pid for process in descendants(successor)]
    assert len(booting) == 2
    program.send(signal.SIGKILL, booting[0])
    program.wait_for(rf"restart failed[\s\S]*worker \d \(pid {booting[0]}\) was killed by SIGKILL")
    program.wait_gone(successor, *booting)
    assert workers(program) == before
    assert program.get("/").status == 200
    assert program.stop() == 0


def test_no_preload_loads_what_is_there_now(program: Program) -> None:
    """Each worker imports for itself, so one that is forked later has what was deployed since."""
    run(program)
    program.deploy(version="2")
    assert program.get("/version").body == b"1"
    before = tuple(workers(program))
    for pid in before:
        program.send(signal.SIGKILL, pid)
    wait_workers(program, 2, without=before)
    assert program.get("/version").body == b"2"
    assert program.stop() == 0


def test_preload_is_the_code_of_the_start(program: Program) -> None:
    """A worker forked later never picks up a half-deployed tree."""
    program.start(workers=2)
    program.deploy(version="2")
    before = tuple(workers(program))
    for pid in before:
        program.send(signal.SIGKILL, pid)
    wait_workers(program, 2, without=before)
    assert program.get("/version").body == b"1"
    assert program.stop() == 0


MADE_BY_LOADING = {
    "thread": ("loading.thread", "the thread 'poller' was started before the fork"),
    "connection": ("loading.connection", "a connection to 127.0.0.1:"),
    "unix connection": ("loading.unix_connection", "a connection to unix:db.sock"),
}


@pytest.mark.parametrize("name", MADE_BY_LOADING)
def test_what_a_fork_would_break(program: Program, name: str) -> None:
    """Threads and connections that loading made are named, with the remedy; at the start, and at a restart."""
    below, says = MADE_BY_LOADING[name]
    program.start(workers=2)
    program.deploy(below=below)
    command = restart(program)
    assert command.returncode == 1
    assert says in command.stderr
    assert "post_fork" in command.stderr
    assert "--no-preload" in command.stderr
    assert program.get("/").status == 200
    assert program.stop() == 0


def test_harmless_sockets_are_no_connections(program: Program) -> None:
    """Listening sockets, datagram sockets and pairs (an event loop's, for instance) are not named."""
    program.start(workers=1, below="loading.harmless_sockets")
    assert program.get("/").status == 200
    assert program.stop() == 0


def test_a_hook_that_raises_fails_the_boot(program: Program) -> None:
    """In whichever process it runs."""
    program.start(workers=2)
    for hook, name in [
        ("pre_fork", "fails_at_fork"),
        ("post_fork", "fails_at_fork"),
        ("post_worker_init", "fails"),
        ("nworkers_changed", "fails_at_a_new_number"),
    ]:
        program.deploy(**{hook: f"tests.apps.hooks.{name}"})
        command = restart(program)
        assert command.returncode == 1, hook
        assert "ValueError: not this one" in command.stderr or "(not this one)" in command.stderr, command.stderr
        assert program.get("/").status == 200
        program.deploy(**{hook: DEFAULT})
    assert program.stop() == 0


def test_the_check_is_answered_by_a_worker(program: Program) -> None:
    """Before any of them accepts."""
    program.start(workers=2, check="/version")
    program.restart()
    program.deploy(check="/fail/x")
    command = restart(program)
    assert command.returncode == 1
    assert "check of /fail/x failed" in command.stderr
    settle(program)
    assert program.stop() == 0


HOOK_NAMES = (
    "pre_fork", "post_fork", "post_worker_init", "worker_int", "worker_abort", "worker_exit", "child_exit",
    "nworkers_changed",
)  # fmt: skip
TELLING_HOOKS: dict[str, Any] = {name: f"tests.apps.telling_hooks.{name}" for name in HOOK_NAMES}


def hooks(program: Program, name: str) -> list[list[str]]:
    """What a hook has said: the process it ran in, and its words."""
    lines = (line.split() for line in program.text().splitlines())
    return [words[1:2] + words[3:] for words in lines if words[:1] == ["hook"] and words[2] == name]


def test_hooks_get_what_gunicorn_gives_them(program: Program) -> None:
    """Each in the process it belongs to, with gunicorn's arguments."""
    program.start(workers=2, **TELLING_HOOKS)
    server, (first, second) = str(program.pid), map(str, workers(program))
    assert hooks(program, "nworkers_changed") == [[server, "2", "None", "2"]]
    assert hooks(program, "pre_fork") == [[server, server, "1", "0"], [server, server, "2", "1"]]
    assert sorted(hooks(program, "post_fork")) == sorted([pid, "True", "True"] for pid in (first, second))
    assert sorted(hooks(program, "post_worker_init")) == sorted([pid, pid, "2"] for pid in (first, second))
    program.send(signal.SIGQUIT, int(first))
    program.wait_for("hook .* child_exit")
    assert hooks(program, "worker_int") == [[first, first]]
    assert hooks(program, "worker_exit") == [[first, first]]
    assert hooks(program, "child_exit") == [[server, first, "False"]]
    wait_workers(program, 2)
    program.send(signal.SIGABRT, int(second))
    program.wait_for(rf"pid {second}\) exited with status 1")
    assert hooks(program, "worker_abort") == [[second, second]]
    wait_workers(program, 2)
    program.send(signal.SIGTTIN)
    wait_workers(program, 3)
    assert hooks(program, "nworkers_changed")[1:] == [[server, "3", "2", "3"]]
    assert program.stop() == 0


def test_how_a_worker_ends(program: Program) -> None:
    """Its threads finish their job, what it registered with atexit runs; what the program registered runs once."""
    program.start(workers=2, below="endings.of_program", post_worker_init="tests.apps.endings.in_worker")
    first, server = workers(program), program.pid
    program.restart()
    settle(program)
    for pid in first:
        program.wait_for(rf"job done in {pid} of generation 1 \n[\s\S]*atexit in worker {pid} \n")
    assert [line for line in program.text().splitlines() if line.startswith("atexit of")] == [f"atexit of 1 {server} "]
    assert program.text().count("serve() returned") == 1
    assert program.stop() == 0


def answered_by(client: socket.socket, generation: int) -> bool:
    """Whether that generation answers the next request of this connection."""
    client.sendall(request("/"))
    answer = read_answer(client)
    assert answer.status == 200
    return answer.headers["x-generation"] == str(generation)


def test_single_becomes_a_cluster_and_back(program: Program) -> None:
    """The number of workers is a setting of the new version; connections move all the same."""
    program.start()
    with connect(program.address) as client:
        for number, generation in [(2, 2), (0, 3), (3, 4)]:
            client.sendall(request("/"))
            assert read_answer(client).status == 200
            program.deploy(workers=number)
            program.restart()
            # A cluster's workers are told by their server process, which takes a moment: until then they answer.
            eventually(functools.partial(answered_by, client, generation), f"generation {generation} answers")
    settle(program)
    assert len(workers(program)) == 3
    assert program.stop() == 0


def test_a_unix_socket_and_several_applications(program: Program) -> None:
    """What is behind each address reaches every worker."""
    program.start(app="several", workers=2)
    from tests import asking

    path = f"unix:{program.folder}/other.sock"
    assert program.get("/version").body == b"1"
    for _ in range(3):
        assert asking.get(path, "/").body == b"admin"
        program.restart()
    settle(program)
    assert program.stop() == 0
    assert not (program.folder / "other.sock").exists()
