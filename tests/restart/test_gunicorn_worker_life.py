"""`gunicorn -k hotswap.Worker`: gunicorn's contract with a worker, and what clients meet when things go wrong."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import asking, certificates
from tests.asking import connect, read_answer, request
from tests.certificates import NEEDS_OPENSSL
from tests.eventually import eventually
from tests.harness import Program
from tests.live import starts_processes
from tests.processes import descriptors
from tests.restart.gates import open_gate, wait_at
from tests.restart.gunicorns import Gunicorn, assert_nobody_noticed


@pytest.fixture
def gunicorn(program: Program) -> Gunicorn:
    """One that has not been started yet."""
    return Gunicorn(program)


def status_of(pid: int, *names: str) -> dict[str, str]:
    """Lines of /proc/PID/status."""
    lines = (line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, value in lines if name in names}


# the arbiter


@starts_processes
def test_gunicorn_is_imported_by_who_asks_for_the_worker() -> None:
    """`import hotswap` stays quick, for commands and for programs that never use gunicorn."""
    text = "import hotswap, sys; print([name for name in sys.modules if 'gunicorn' in name]); print(hotswap.Worker)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines() == ["[]", "<class 'hotswap.workers.native.worker.Worker'>"], done.stderr


def test_the_arbiter_is_not_disturbed(programs: Callable[[str], Program]) -> None:
    """It has the signals and threads that it has with gunicorn's own worker, and four descriptors more: exchange and
    scoreboard."""
    found = []
    for kind in ("sync", "hotswap.Worker"):
        gunicorn = Gunicorn(programs(kind)).start("-k", kind, wait=False)
        gunicorn.program.wait_for("Control socket listening")
        look = status_of(gunicorn.pid, "SigBlk", "SigIgn", "SigCgt", "Threads")
        found.append((look, len(descriptors(gunicorn.pid))))
        gunicorn.program.send(signal.SIGTERM, gunicorn.pid)
        assert gunicorn.program.wait_status() == 0
    (plain, few), (ours, more) = found
    assert ours == plain
    assert more - few == 4


def test_a_stop_drains(gunicorn: Gunicorn) -> None:
    """TERM to gunicorn: what runs is finished, an idle connection is closed, and nothing is left."""
    gunicorn.start(workers=2)
    everybody = [gunicorn.pid, *gunicorn.workers()]
    with connect(gunicorn.address) as slow, connect(gunicorn.address) as idle:
        idle.sendall(request("/"))
        assert read_answer(idle).status == 200
        slow.sendall(request("/gated/go"))
        wait_at(gunicorn.program, "go")
        gunicorn.program.send(signal.SIGTERM, gunicorn.pid)
        assert idle.recv(1) == b""
        open_gate(gunicorn.program, "go")
        answer = read_answer(slow)
        assert (answer.status, answer.closes) == (200, True)
    assert gunicorn.program.wait_status() == 0
    gunicorn.program.wait_gone(*everybody)


def test_what_a_stop_cannot_wait_for(gunicorn: Gunicorn) -> None:
    """Shortly before gunicorn kills, the worker ends by itself, and says what it has cut."""
    gunicorn.start("--graceful-timeout", "1")
    with connect(gunicorn.address) as slow:
        slow.sendall(request("/slow/30"))
        gunicorn.program.wait_for("slow 30 began")
        assert gunicorn.stop() == 0
    gunicorn.program.wait_for(r"cut GET /slow/30 after \d\.\d s")
    assert "SIGKILL" not in gunicorn.program.text()


def test_kill_9_of_the_arbiter(gunicorn: Gunicorn) -> None:
    """Its workers finish what they serve and leave; no process is left on the port."""
    gunicorn.start(workers=2)
    with connect(gunicorn.address) as slow, connect(gunicorn.address) as idle:
        idle.sendall(request("/"))
        assert read_answer(idle).status == 200
        slow.sendall(request("/slow/1.5"))
        gunicorn.program.wait_for("slow 1.5 began")
        gunicorn.program.send(signal.SIGKILL, gunicorn.pid)
        assert idle.recv(1) == b""
        assert b"waited 1.5" in read_answer(slow).body
    gunicorn.program.wait_gone(*gunicorn.booted())
    with pytest.raises(ConnectionRefusedError):
        connect(gunicorn.address)


def test_usr2_and_term(gunicorn: Gunicorn) -> None:
    """gunicorn's own way to change its binary: the old workers drain, because the new ones are another server's."""
    gunicorn.start(script=True, workers=2)
    first = gunicorn.workers()
    with connect(gunicorn.address) as idle, gunicorn.traffic(one_shot=2) as traffic:
        idle.sendall(request("/"))
        assert read_answer(idle).status == 200
        gunicorn.program.send(signal.SIGUSR2, gunicorn.pid)
        eventually(lambda: len(gunicorn.served()) == 4, "no new workers")
        gunicorn.program.send(signal.SIGTERM, gunicorn.pid)
        assert idle.recv(1) == b""
        gunicorn.program.wait_gone(gunicorn.pid, *first)
        assert gunicorn.get().status == 200
    result = traffic.result()
    assert result.failures == {}, result
    (second,) = re.findall(r"Listening at: \S+ \((\d+)\)", gunicorn.program.text())[1:]
    gunicorn.program.send(signal.SIGTERM, int(second))
    gunicorn.program.wait_gone(*gunicorn.booted(), int(second))


# reloads that take their time, or fail


@pytest.mark.parametrize("number", [1, 2])
def test_new_workers_that_boot_slowly(gunicorn: Gunicorn, number: int) -> None:
    """gunicorn tells the old ones to go at once; they serve on until the new ones do."""
    gunicorn.start(workers=number)
    before = tuple(gunicorn.workers())
    gunicorn.program.deploy(version="2", below=("gates.gate", "import"))
    with gunicorn.traffic(keep_alive=4, one_shot=2, idle=2) as traffic:
        gunicorn.program.send(signal.SIGHUP, gunicorn.pid)
        gunicorn.program.wait_for(rf"(?s)(at gate import.*){{{number}}}")
        gunicorn.program.wait_for(rf"(?s)(Worker is to leave.*){{{number}}}")
        answered = traffic.snapshot().requests
        eventually(lambda: traffic.snapshot().requests > answered + 200, "nobody serves meanwhile")
        open_gate(gunicorn.program, "import")
        gunicorn.wait_serving(number, without=before)
        traffic.restarted()
    assert_nobody_noticed(traffic.result())
    assert gunicorn.stop() == 0


def test_hup_before_the_first_worker_serves(gunicorn: Gunicorn) -> None:
    """It is told to leave while it still loads, and serves all the same until the next one does."""
    gunicorn.program.deploy(below=("gates.gate", "first"))
    gunicorn.start(wait=False)
    wait_at(gunicorn.program, "first")
    gunicorn.program.deploy(below=("gates.gate", "second"))
    gunicorn.program.send(signal.SIGHUP, gunicorn.pid)
    wait_at(gunicorn.program, "second")
    # Its handlers are its own as soon as the application is loaded.
    open_gate(gunicorn.program, "first")
    eventually(lambda: gunicorn.served() == gunicorn.booted()[:1], "the first does not serve")
    open_gate(gunicorn.program, "second")
    gunicorn.wait_serving(1, without=(gunicorn.booted()[0],))
    assert len(gunicorn.served()) == 2
    assert gunicorn.get().status == 200
    assert gunicorn.stop() == 0


def test_one_that_is_killed_while_it_boots(gunicorn: Gunicorn) -> None:
    """The old one is about to leave to it; gunicorn forks another once the old one has gone, and that one gets all."""
    gunicorn.start()
    (first,) = gunicorn.workers()
    gunicorn.program.deploy(version="2", below=("gates.gate", "import"))
    with gunicorn.traffic(keep_alive=4, idle=2) as traffic:
        gunicorn.program.send(signal.SIGHUP, gunicorn.pid)
        gunicorn.program.wait_for(rf"Worker is to leave \(pid: {first}\)")
        gunicorn.program.send(signal.SIGKILL, gunicorn.booted()[-1])
        open_gate(gunicorn.program, "import")
        (second,) = gunicorn.wait_serving(1, without=(first,))
        traffic.restarted()
        assert second == gunicorn.booted()[-1]
    assert_nobody_noticed(traffic.result())
    assert gunicorn.stop() == 0


HALT = """
import sys
import time
from pathlib import Path

def post_fork(server, worker):
    if Path("halt").exists():
        print("forked", worker.pid, file=sys.stderr, flush=True)
        while Path("halt").exists():
            time.sleep(0.01)
"""


def test_one_that_is_killed_right_after_its_fork(gunicorn: Gunicorn) -> None:
    """It was announced, and is not on the scoreboard yet: the arbiter, which hears of its end, says that it is gone."""
    (gunicorn.program.folder / "gunicorn.conf.py").write_text(HALT)
    gunicorn.start()
    (first,) = gunicorn.workers()
    halt = gunicorn.program.folder / "halt"
    halt.touch()
    with gunicorn.traffic(keep_alive=4, idle=2) as traffic:
        gunicorn.program.send(signal.SIGHUP, gunicorn.pid)
        found = gunicorn.program.wait_for(r"forked (\d+)")
        gunicorn.program.wait_for(rf"Worker is to leave \(pid: {first}\)")
        gunicorn.program.send(signal.SIGKILL, int(found[1]))
        halt.unlink()
        gunicorn.wait_serving(1, without=(first,))
        traffic.restarted()
    assert_nobody_noticed(traffic.result())
    assert gunicorn.stop() == 0


def test_a_broken_deploy_ends_gunicorn(gunicorn: Gunicorn) -> None:
    """That is gunicorn's way; but nothing hangs: what runs is finished."""
    gunicorn.start(workers=2)
    with connect(gunicorn.address) as slow:
        slow.sendall(request("/slow/1"))
        gunicorn.program.wait_for("slow 1 began")
        gunicorn.program.deploy(below=("boots.imports", "not_there"))
        gunicorn.program.send(signal.SIGHUP, gunicorn.pid)
        assert b"waited 1" in read_answer(slow).body
    # 3 with one worker; with two, 27.0.1 meets the second one's end where it does not expect it, and exits with 1.
    assert gunicorn.program.wait_status() in (1, 3)
    gunicorn.program.wait_gone(*gunicorn.booted())


def test_a_startup_that_fails(gunicorn: Gunicorn) -> None:
    """An ASGI application's, which runs in the worker: gunicorn ends, as with its own worker for ASGI, and says why."""
    gunicorn.program.deploy(app="asgi", below=("startups.choose", "fails"))
    gunicorn.start(wait=False)
    gunicorn.program.wait_for("the startup of the application failed .ASGI lifespan.:\nRuntimeError.'no database'")
    assert gunicorn.program.wait_status() == 3


def test_term_to_everybody_while_new_ones_boot(gunicorn: Gunicorn) -> None:
    """As systemd stops a service: no worker waits for those that will not serve, and what runs is finished."""
    gunicorn.start("--graceful-timeout", "60", workers=2)
    gunicorn.program.deploy(below=("gates.gate", "import"))
    with connect(gunicorn.address) as slow:
        slow.sendall(request("/gated/go"))
        wait_at(gunicorn.program, "go")
        gunicorn.program.send(signal.SIGHUP, gunicorn.pid)
        gunicorn.program.wait_for(r"(?s)(Worker is to leave.*){2}")
        for pid in [*gunicorn.workers(), gunicorn.pid]:
            gunicorn.program.send(signal.SIGTERM, pid)
        for gate in ("go", "import"):
            open_gate(gunicorn.program, gate)
        assert read_answer(slow).status == 200
    assert gunicorn.program.wait_status() == 0
    gunicorn.program.wait_gone(*gunicorn.booted())


def test_preloaded(gunicorn: Gunicorn) -> None:
    """--preload: the arbiter has the application, and hotswap with it."""
    gunicorn.start("--preload", workers=2)
    before = tuple(gunicorn.workers())
    with gunicorn.traffic(keep_alive=4, one_shot=2, idle=2) as traffic:
        gunicorn.program.send(signal.SIGHUP, gunicorn.pid)
        gunicorn.wait_serving(2, without=before)
        traffic.restarted()
    assert_nobody_noticed(traffic.result())
    assert gunicorn.stop() == 0


# workers


def test_kill_9_of_a_worker(gunicorn: Gunicorn) -> None:
    """Others lose nothing, and it is replaced."""
    gunicorn.start(workers=2)
    with connect(gunicorn.address) as one, connect(gunicorn.address) as other:
        pids = {}
        for sock in (one, other):
            sock.sendall(request("/pid"))
            pids[sock] = int(read_answer(sock).body)
        victim = pids[one]
        gunicorn.program.send(signal.SIGKILL, victim)
        if pids[other] != victim:
            other.sendall(request("/pid"))
            assert int(read_answer(other).body) == pids[other]
    gunicorn.wait_serving(2, without=(victim,))
    assert gunicorn.get().status == 200
    assert gunicorn.stop() == 0


def test_a_worker_that_stands_still(gunicorn: Gunicorn) -> None:
    """No heartbeat for `timeout`: gunicorn ends it, and the hook is called in one that can still hear SIGABRT."""
    (gunicorn.program.folder / "gunicorn.conf.py").write_text(
        "def worker_abort(worker):\n    print('aborted', worker.pid, flush=True)\n"
    )
    gunicorn.start("--timeout", "1")
    (first,) = gunicorn.workers()
    gunicorn.program.send(signal.SIGSTOP, first)
    gunicorn.program.wait_for(rf"WORKER TIMEOUT \(pid:{first}\)")
    gunicorn.program.send(signal.SIGCONT, first)
    gunicorn.program.wait_for(rf"aborted {first}|pid:{first}\) was sent SIGKILL")
    gunicorn.wait_serving(1, without=(first,))
    assert gunicorn.stop() == 0


def test_it_lives_longer_than_timeout(gunicorn: Gunicorn) -> None:
    """The heartbeat is given also while a request takes longer than that."""
    gunicorn.start("--timeout", "1")
    assert b"waited 2.2" in gunicorn.get("/slow/2.2").body
    assert "WORKER TIMEOUT" not in gunicorn.program.text()
    assert gunicorn.stop() == 0


def test_a_long_request_of_the_only_worker(gunicorn: Gunicorn) -> None:
    """A worker that has served enough, and has no siblings, serves on until that request is over: gunicorn forks the
    next one only when it has gone."""
    gunicorn.start("--max-requests", "5")
    with connect(gunicorn.address) as slow:
        slow.sendall(request("/gated/go"))
        wait_at(gunicorn.program, "go")
        with gunicorn.traffic(keep_alive=2) as traffic:
            gunicorn.program.wait_for("max_requests: ")
            assert gunicorn.get().status == 200
            open_gate(gunicorn.program, "go")
            assert read_answer(slow).status == 200
            eventually(lambda: len(gunicorn.served()) == 2, "it is not replaced")
        assert_nobody_noticed(traffic.result())
    assert gunicorn.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT])
def test_a_quick_end(gunicorn: Gunicorn, number: signal.Signals) -> None:
    """QUIT and INT to gunicorn: what runs is cut, and the log says so."""
    gunicorn.start(workers=2)
    with connect(gunicorn.address) as slow:
        slow.sendall(request("/slow/30"))
        gunicorn.program.wait_for("slow 30 began")
        gunicorn.program.send(number, gunicorn.pid)
        assert gunicorn.program.wait_status() == 0
    gunicorn.program.wait_for("cut GET /slow/30")
    gunicorn.program.wait_gone(*gunicorn.booted())


def test_signals_for_the_arbiter_do_no_harm(gunicorn: Gunicorn) -> None:
    """`pkill -HUP gunicorn` reaches workers too."""
    gunicorn.start()
    (worker,) = gunicorn.workers()
    for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH):
        gunicorn.program.send(number, worker)
    assert int(gunicorn.get("/pid").body) == worker
    assert gunicorn.stop() == 0


# hooks, logs, sockets

HOOKS = """
def post_fork(server, worker):
    print("hook post_fork", server.pid == worker.ppid, flush=True)

def post_worker_init(worker):
    print("hook post_worker_init", worker.age, flush=True)

def worker_int(worker):
    print("hook worker_int", worker.age, flush=True)

def worker_exit(server, worker):
    print("hook worker_exit", worker.age, flush=True)

def child_exit(server, worker):
    print("hook child_exit", worker.age, flush=True)

def pre_request(worker, req):
    print("hook pre_request", req.method, req.path, flush=True)

def post_request(worker, req, environ, resp):
    print("hook post_request", req.path, resp.status, worker.nr, worker.age, flush=True)
    if req.path == "/version":
        worker.alive = False
"""


def test_hooks_and_logs(gunicorn: Gunicorn) -> None:
    """gunicorn's hooks are called in the worker with gunicorn's arguments, and its access log has its lines."""
    (gunicorn.program.folder / "gunicorn.conf.py").write_text(HOOKS)
    access = gunicorn.program.folder / "access.log"
    gunicorn.start("--access-logfile", str(access), "--access-logformat", "%(r)s %(s)s %(B)s")
    gunicorn.program.wait_for("hook post_fork True\nhook post_worker_init 1\n")
    (first,) = gunicorn.workers()
    assert gunicorn.get("/pid").status == 200
    gunicorn.program.wait_for("hook pre_request GET /pid\nhook post_request /pid 200 OK 1 1\n")
    eventually(lambda: access.exists() and access.read_text() == f"GET /pid HTTP/1.1 200 {len(str(first))}\n")
    # logrotate(8)
    access.rename(access.with_suffix(".1"))
    gunicorn.program.send(signal.SIGUSR1, gunicorn.pid)
    eventually(access.exists)
    eventually(lambda: gunicorn.get("/").status == 200 and "GET / HTTP/1.1 200" in access.read_text())
    # An application's own way to have its worker replaced.
    gunicorn.get("/version")
    gunicorn.wait_serving(1, without=(first,))
    gunicorn.program.wait_for("hook worker_exit 1\n")
    gunicorn.program.wait_for("hook child_exit 1\n")
    gunicorn.program.send(signal.SIGQUIT, gunicorn.workers()[0])
    gunicorn.program.wait_for("hook worker_int 2\n")
    assert gunicorn.stop() == 0


def test_several_listeners(gunicorn: Gunicorn, tmp_path: Path) -> None:
    """TCP and unix sockets, and connections of both move."""
    path = f"unix:{tmp_path}/g.sock"
    gunicorn.start("-b", "127.0.0.1:0", "-b", path, "-b", "127.0.0.1:0")
    assert len(gunicorn.addresses) == 3
    socks = [connect(address) for address in gunicorn.addresses]
    before = tuple(gunicorn.workers())
    gunicorn.program.send(signal.SIGHUP, gunicorn.pid)
    gunicorn.wait_serving(1, without=before)
    for sock in socks:
        with sock:
            sock.sendall(request("/pid"))
            assert int(read_answer(sock).body) in gunicorn.workers()
    assert asking.get(path, "/").status == 200
    assert gunicorn.stop() == 0


@NEEDS_OPENSSL
def test_tls(gunicorn: Gunicorn, tmp_path: Path) -> None:
    """gunicorn's settings; a TLS connection cannot move, so it is answered once more, by the worker that has it."""
    pair = certificates.make(tmp_path / "tls")
    gunicorn.start("--certfile", str(pair.cert), "--keyfile", str(pair.key))
    (first,) = gunicorn.workers()
    with pair.client().wrap_socket(connect(gunicorn.address), server_hostname="127.0.0.1") as client:
        client.sendall(request("/"))
        assert read_answer(client).status == 200
        gunicorn.program.send(signal.SIGHUP, gunicorn.pid)
        gunicorn.program.wait_for(rf"Worker retiring \(pid: {first}\)")
        client.sendall(request("/pid"))
        answer = read_answer(client)
        assert (int(answer.body), answer.closes) == (first, True)
    gunicorn.wait_serving(1, without=(first,))
    assert gunicorn.stop() == 0
