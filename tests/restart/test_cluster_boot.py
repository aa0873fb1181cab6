"""Booting with workers: what a worker cannot do fails the restart with its own words, and changes nothing."""

from __future__ import annotations

import re
import signal
import sys

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import PLAIN, Program
from tests.processes import descendants
from tests.restart.clusters import GOOD, below, settle, wait_workers, with_hooks, workers
from tests.restart.test_broken_deploys import BROKEN, restart
from tests.restart.worker_classes import ASGI, start

#: `hotswap run --no-preload app:app`: the module is imported in each worker, the folder's app.py is it.
NO_PRELOAD = [sys.executable, "-m", "hotswap", "run", "-w", "2", "--no-preload", "-b", "127.0.0.1:0", "app:app"]
MODULE = GOOD.partition('if __name__ ==')[0]


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("number", [2, 4])
def test_the_running_version_serves_on(program: Program, number: int, name: str) -> None:
    """The table of broken deploys, with two workers and with four."""
    broken = BROKEN[name]
    program.start(boot_timeout=3, workers=number)
    before = workers(program)
    program.deploy(text=broken.text)
    command = restart(program)
    assert command.returncode == 1, command.stdout
    assert broken.says in command.stdout + command.stderr
    assert program.get("/version").body == b"1"
    assert workers(program) == before
    program.deploy(text=GOOD, version="2")
    command = restart(program)
    assert command.returncode == 0, command.stdout + command.stderr
    eventually(lambda: program.get("/version").body == b"2", "the mended version serves")
    settle(program)
    assert program.stop() == 0


def run(program: Program, *arguments: str) -> Program:
    """`hotswap run` with the module, which each worker imports."""
    program.start(command=[*NO_PRELOAD, *arguments], text=MODULE)
    return program


FAILING_LOADS = {
    "exception": ("1 / 0\n", "ZeroDivisionError: division by zero"),
    "missing module": ("import not_there_1\n", "No module named 'not_there_1'"),
    "killed": ("os.kill(os.getpid(), 9)\n", "was killed by SIGKILL"),
    "exit": ("import sys\nsys.exit(7)\n", "exited with status 7"),
    "hang": ("import threading\nthreading.Event().wait()\n", "boot_timeout (2 s)"),
    "not an application": ("import atexit\n", "did you mean"),
}


@pytest.mark.parametrize("name", FAILING_LOADS)
def test_loading_fails_in_a_worker(program: Program, name: str) -> None:
    """Its own traceback is the restart's; nobody of the failed generation is left, and the next one works."""
    lines, says = FAILING_LOADS[name]
    run(program, "--boot-timeout", "2")
    before = workers(program)
    text = MODULE.replace("import hotswap\n", "import hotswap\n" + lines)
    program.deploy(text=text.replace("def app(", "def application(") if name == "not an application" else text)
    command = restart(program)
    assert command.returncode == 1, command.stdout
    assert says in command.stdout + command.stderr
    if name == "exception":
        assert f'File "{program.script}"' in command.stderr
        assert "gunicorn/util.py" not in command.stderr
    if name == "hang":
        assert re.search(rf'where it hung:[\s\S]*File "{program.script}"', command.stderr), command.stderr
    assert program.get("/").status == 200
    eventually(lambda: {p.pid for p in descendants(program.pid) if not p.zombie} == set(before), "somebody is left")
    program.deploy(text=MODULE, version="2")
    assert restart(program).returncode == 0
    settle(program)
    assert program.get("/version").body == b"2"
    assert program.stop() == 0


HANGS_BEHIND = """
    try:
        os.mkdir("first")
    except FileExistsError:
        while not os.path.exists("hangs"):
            await asyncio.sleep(0.01)
    else:
        asyncio.get_running_loop().call_soon(hang)


def hang():
    say("hangs in", os.getpid())
    os.mkdir("hangs")
    select.select([], [], [])
"""


def test_a_hang_behind_the_startup(program: Program) -> None:
    """The restart fails, and the worker does not stay: its event loop hears no signal, and it has the listeners."""
    start(program, "asgi", boot_timeout=2)
    text = ASGI.replace('    say("startup in", os.getpid())\n', HANGS_BEHIND)
    program.deploy(text=text.replace("import os\n", "import os\nimport select\n"))
    command = restart(program)
    assert command.returncode == 1
    assert "boot_timeout (2 s)" in command.stderr
    program.wait_gone(int(program.wait_for(r"hangs in (\d+)")[1]))
    assert program.stop() == 0


def test_kill_9_of_a_booting_successors_worker(program: Program) -> None:
    """The successor's server process says so and ends; its other worker with it."""
    run(program)
    before = workers(program)
    program.deploy(text=MODULE.replace("import hotswap\n", "import hotswap\nprint('loads', flush=True)\n"
                                       "import threading\nthreading.Event().wait()\n"))
    program.hup()
    program.wait_for("(?s)loads.*loads")
    (successor,) = [process.pid for process in descendants(program.pid)
                    if process.parent == program.pid and process.pid not in before]
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
    program.deploy(version="2", text=MODULE)
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
    program.deploy(version="2", text=GOOD)
    before = tuple(workers(program))
    for pid in before:
        program.send(signal.SIGKILL, pid)
    wait_workers(program, 2, without=before)
    assert program.get("/version").body == b"1"
    assert program.stop() == 0


MADE_BY_LOADING = {
    "thread": (
        "import threading\nthreading.Thread(target=threading.Event().wait, name='poller', daemon=True).start()\n",
        "the thread 'poller' was started before the fork",
    ),
    "connection": (
        "import socket\nlistener = socket.create_server(('127.0.0.1', 0))\n"
        "db = socket.create_connection(listener.getsockname())\n",
        r"a connection to 127.0.0.1:",
    ),
    "unix connection": (
        "import socket\nlistener = socket.socket(socket.AF_UNIX)\nlistener.bind('db.sock')\nlistener.listen()\n"
        "db = socket.socket(socket.AF_UNIX)\ndb.connect('db.sock')\nos.unlink('db.sock')\n",
        "a connection to unix:db.sock",
    ),
}


@pytest.mark.parametrize("name", MADE_BY_LOADING)
def test_what_a_fork_would_break(program: Program, name: str) -> None:
    """Threads and connections that loading made are named, with the remedy; at the start, and at a restart."""
    lines, says = MADE_BY_LOADING[name]
    program.start(workers=2)
    program.deploy(text=below(lines))
    command = restart(program)
    assert command.returncode == 1
    assert says in command.stderr
    assert "post_fork" in command.stderr
    assert "--no-preload" in command.stderr
    assert program.get("/").status == 200
    assert program.stop() == 0


def test_harmless_sockets_are_no_connections(program: Program) -> None:
    """Listening sockets, datagram sockets and pairs (an event loop's, for instance) are not named."""
    lines = "import asyncio, socket\nloop = asyncio.new_event_loop()\n"
    lines += "udp = socket.socket(type=socket.SOCK_DGRAM)\nudp.connect(('127.0.0.1', 9))\n"
    program.start(workers=1, text=below(lines))
    assert program.get("/").status == 200
    assert program.stop() == 0


def test_a_hook_that_raises_fails_the_boot(program: Program) -> None:
    """In whichever process it runs."""
    program.start(workers=2)
    for hook, arguments in [("pre_fork", "arbiter, worker"), ("post_fork", "arbiter, worker"),
                            ("post_worker_init", "worker"), ("nworkers_changed", "arbiter, new, old")]:
        program.deploy(text=with_hooks(f"def {hook}({arguments}): raise ValueError('not this one')\n", hook))
        command = restart(program)
        assert command.returncode == 1, hook
        assert "ValueError: not this one" in command.stderr or "(not this one)" in command.stderr, command.stderr
        assert program.get("/").status == 200
    assert program.stop() == 0


def test_the_check_is_answered_by_a_worker(program: Program) -> None:
    """Before any of them accepts."""
    program.start(workers=2, check="/version")
    program.restart()
    program.deploy(text=GOOD.replace("**SETTINGS", "workers=2, check='/fail/x'"))
    command = restart(program)
    assert command.returncode == 1
    assert "check of /fail/x failed" in command.stderr
    settle(program)
    assert program.stop() == 0


HOOKS = r"""
def say(*words):
    os.write(1, " ".join(["hook", str(os.getpid()), *map(str, words), "\n"]).encode())  # in one piece
def pre_fork(arbiter, worker): say("pre_fork", arbiter.pid, worker.age, len(arbiter.WORKERS))
def post_fork(arbiter, worker): say("post_fork", worker.pid == os.getpid(), worker.ppid == arbiter.pid)
def post_worker_init(worker): say("post_worker_init", worker.pid, worker.cfg.workers)
def worker_int(worker): say("worker_int", worker.pid)
def worker_abort(worker): say("worker_abort", worker.pid)
def worker_exit(arbiter, worker): say("worker_exit", worker.pid)
def child_exit(arbiter, worker): say("child_exit", worker.pid, worker.pid in arbiter.WORKERS)
def nworkers_changed(arbiter, new, old): say("nworkers_changed", new, old, arbiter.num_workers)
"""
HOOK_NAMES = ["pre_fork", "post_fork", "post_worker_init", "worker_int", "worker_abort", "worker_exit", "child_exit",
              "nworkers_changed"]


def hooks(program: Program, name: str) -> list[list[str]]:
    """What a hook has said: the process it ran in, and its words."""
    lines = (line.split() for line in program.text().splitlines())
    return [words[1:2] + words[3:] for words in lines if words[:1] == ["hook"] and words[2] == name]


def test_hooks_get_what_gunicorn_gives_them(program: Program) -> None:
    """Each in the process it belongs to, with gunicorn's arguments."""
    program.start(workers=2, text=with_hooks(HOOKS, *HOOK_NAMES))
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


ENDS = r"""
import atexit, threading
def say(*words):
    os.write(1, " ".join([*map(str, words), "\n"]).encode())  # in one piece: several processes write
atexit.register(lambda: say("atexit of", hotswap.generation, os.getpid()))
def post_worker_init(worker):
    def work():
        hotswap.draining.wait()
        say("job done in", os.getpid())
    threading.Thread(target=work).start()
    atexit.register(lambda: say("atexit in worker", os.getpid()))
"""


def test_how_a_worker_ends(program: Program) -> None:
    """Its threads finish their job, what it registered with atexit runs; what the program registered runs once."""
    program.start(workers=2, text=with_hooks(ENDS, "post_worker_init"))
    first, server = workers(program), program.pid
    program.restart()
    settle(program)
    for pid in first:
        program.wait_for(rf"job done in {pid} \n[\s\S]*atexit in worker {pid} \n")
    assert [line for line in program.text().splitlines() if line.startswith("atexit of")] == [f"atexit of 1 {server} "]
    assert program.text().count("serve() returned") == 1
    assert program.stop() == 0


def test_single_becomes_a_cluster_and_back(program: Program) -> None:
    """The number of workers is a setting of the new version; connections move all the same."""
    program.start()
    with connect(program.address) as client:
        for number, generation in [(2, 2), (0, 3), (3, 4)]:
            client.sendall(request("/"))
            assert read_answer(client).status == 200
            program.deploy(workers=number)
            program.restart()
            client.sendall(request("/"))
            assert read_answer(client).headers["x-generation"] == str(generation)
    settle(program)
    assert len(workers(program)) == 3
    assert program.stop() == 0


def test_a_unix_socket_and_several_applications(program: Program) -> None:
    """What is behind each address reaches every worker."""
    other = PLAIN.read_text().replace(
        "hotswap.serve(app, ADDRESS", "hotswap.serve({ADDRESS: app, 'unix:other.sock': admin}"
    ).replace("if __name__ ==", "def admin(environ, start):\n    start('200 OK', [('Content-Length', '5')])\n"
              "    return [b'admin']\nif __name__ ==")
    program.start(text=other, workers=2)
    from tests import asking

    path = f"unix:{program.folder}/other.sock"
    assert program.get("/version").body == b"1"
    for _ in range(3):
        assert asking.get(path, "/").body == b"admin"
        program.restart()
    settle(program)
    assert program.stop() == 0
    assert not (program.folder / "other.sock").exists()
