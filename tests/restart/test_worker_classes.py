"""gunicorn's worker classes under hotswap's server process: they serve, and come and go, as safely as their own drain
allows."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from hotswap import Server, SettingError, UsageError
from tests.asking import connect, read_answer, request
from tests.certificates import NEEDS_OPENSSL, make
from tests.eventually import eventually
from tests.harness import DEFAULT, Program
from tests.processes import alive, descendants
from tests.restart.clusters import settle, wait_workers, workers
from tests.restart.gates import open_gate, refused, wait_at
from tests.restart.test_broken_deploys import restart
from tests.restart.test_cluster_boot import TELLING_HOOKS, hooks
from tests.restart.worker_classes import CLASSES, UVICORN, app_for, start
from tests.traffic import Traffic


@pytest.mark.parametrize("worker_class", ["sync", "gevent", UVICORN])
def test_restarts_lose_no_request(program: Program, worker_class: str) -> None:
    """Clients with a connection for each request see no failure, over restarts and a stop, which leaves no process."""
    start(program, worker_class)
    with Traffic(program.address, {"one-shot": 4}, seconds=60) as traffic:
        for version in range(2, 5):
            program.deploy(version=str(version))
            program.restart()
        eventually(lambda: "4" in traffic.snapshot().versions, "the last version answers")
    result = traffic.result()
    assert result.failures == {}, result
    settle(program)
    left = workers(program)
    assert len(left) == 2
    assert program.stop() == 0
    assert not [pid for pid in left if alive(pid)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("worker_class", ["asgi", "gthread"])
def test_twenty_restarts(program: Program, worker_class: str) -> None:
    """More clients, without a pause, and twenty deploys."""
    start(program, worker_class)
    with Traffic(program.address, {"one-shot": 8}, seconds=100, pauses={"one-shot": 0.0}) as traffic:
        for version in range(2, 22):
            program.deploy(version=str(version))
            program.restart(deadline=30)
        eventually(lambda: "21" in traffic.snapshot().versions, "the last version answers")
    result = traffic.result()
    assert result.failures == {}, result
    settle(program)
    assert program.stop() == 0


@pytest.mark.parametrize("worker_class", ["sync", "gevent", "asgi", UVICORN])
def test_nobody_accepts_before_all_have_loaded(program: Program, worker_class: str) -> None:
    """The successor's first worker is ready, its second is not: the version before answers everything."""
    start(program, worker_class)
    program.deploy(post_worker_init="tests.apps.hooks.second_waits_for_go", version="2")
    program.hup()
    program.wait_for("has loaded 1")
    assert {program.get("/version").body for _ in range(50)} == {b"1"}
    (program.folder / "go").touch()
    program.wait_generation(2)
    eventually(lambda: program.get("/version").body == b"2", "generation 2 serves")
    program.stop()


@pytest.mark.parametrize("worker_class", ["gthread", "asgi"])
def test_a_broken_deploy_changes_nothing(program: Program, worker_class: str) -> None:
    """What fails in a worker is told with its traceback, and the workers of before serve on."""
    start(program, worker_class)
    before = workers(program)
    program.deploy(post_worker_init="tests.apps.hooks.fails")
    command = restart(program)
    assert command.returncode == 1
    assert "ValueError: not this one" in command.stderr
    assert program.get("/version").body == b"1"
    program.deploy(text="import hotswap\nhotswap.serve(app)\n")
    assert restart(program).returncode == 1
    assert workers(program) == before
    program.deploy(app=app_for(worker_class), post_worker_init=DEFAULT, version="2")
    assert restart(program).returncode == 0
    eventually(lambda: program.get("/version").body == b"2", "the mended version serves")
    program.stop()


@pytest.mark.parametrize("worker_class", CLASSES)
def test_killed_processes(program: Program, worker_class: str) -> None:
    """kill -9 of a worker: another takes its place. kill -9 of the server process: no process is left on the port."""
    start(program, worker_class)
    before = wait_workers(program, 2)
    program.send(signal.SIGKILL, before[0])
    assert before[1] in wait_workers(program, 2, without=(before[0],))
    assert program.get("/version").body == b"1"
    left = workers(program)
    program.send(signal.SIGKILL)
    program.wait_gone(*left)
    with pytest.raises(ConnectionRefusedError):
        connect(program.address)


@pytest.mark.parametrize("worker_class", ["gthread", "asgi"])
def test_a_lost_successor(program: Program, worker_class: str) -> None:
    """Workers that were told to leave cannot come back: others take their slots, and the next restart works."""
    start(program, worker_class)
    first = workers(program)
    program.hup()
    program.wait_for("serves: retiring")
    program.send(signal.SIGKILL)
    program.wait_for("generation 1 serves again")
    assert program.get("/version").headers["x-generation"] in "12"  # the successor's workers may still be leaving
    # Not before the old ones have gone: while they leave, there may be two of them and no new one yet.
    eventually(
        lambda: len(now := workers(program, program.pid)) == 2 and not set(first) & set(now),
        "two new workers, and no old one",
    )
    program.send(signal.SIGHUP, program.pid)
    program.wait_generation(3)
    eventually(lambda: program.get("/version").headers["x-generation"] == "3", "generation 3 answers")
    program.stop()


def test_the_class_is_changed_by_a_deploy(program: Program) -> None:
    """The engine, gthread, sync and back: no request fails; nothing is sent to workers that receive nothing."""
    program.start(workers=2)
    with Traffic(program.address, {"one-shot": 3, "idle": 4}, seconds=60) as traffic:
        for worker_class, number in [("gthread", 2), ("sync", 2), ("hotswap", 2), ("gthread", 1), ("hotswap", 0)]:
            program.deploy(worker_class=worker_class, workers=number)
            program.restart()
    result = traffic.result()
    assert "one-shot" not in result.failures, result
    settle(program)
    with connect(program.address) as client:
        client.sendall(request("/"))
        assert read_answer(client).status == 200
        program.deploy(worker_class="gthread", workers=1)
        program.restart()
        # The process that has it, an engine, answers for the last time.
        client.sendall(request("/"))
        answer = read_answer(client)
        assert (answer.headers["x-generation"], answer.closes) == ("6", True)
    settle(program)
    assert program.stop() == 0


@pytest.mark.parametrize("worker_class", ["gthread", "gevent", "asgi"])
def test_what_runs_is_finished(program: Program, worker_class: str) -> None:
    """At a restart, by retire_timeout although graceful_timeout is shorter; and at a stop, in which Ctrl-C is one."""
    start(program, worker_class, graceful_timeout=1)
    with connect(program.address) as client:
        client.sendall(request("/slow/1.6", "Connection: close"))
        program.wait_for("slow 1.6 began")
        program.deploy(graceful_timeout=10)
        program.restart()
        assert read_answer(client).headers["x-generation"] == "1"
    settle(program)
    with connect(program.address) as client:
        client.sendall(request("/slow/0.4", "Connection: close"))
        program.wait_for("slow 0.4 began")
        for pid in [*workers(program), program.serving_pid]:
            program.send(signal.SIGINT, pid)
        assert b"waited 0.4" in read_answer(client).body
    program.wait_gone(*program.pids())


def test_a_leaving_worker_need_not_beat(program: Program) -> None:
    """asgi gives no heartbeat while it waits for its last requests; it is not ended for that."""
    start(program, "asgi", timeout=2)
    with connect(program.address) as client:
        client.sendall(request("/slow/3.2", "Connection: close"))
        program.wait_for("slow 3.2 began")
        program.restart()
        assert read_answer(client).headers["x-generation"] == "1"
    assert "no heartbeat" not in program.text()
    program.stop()


def test_the_hammer(program: Program) -> None:
    """graceful_timeout: what still runs at a stop is cut."""
    start(program, "gthread", graceful_timeout=1)
    with connect(program.address) as client:
        client.sendall(request("/slow/30"))
        program.wait_for("slow 30 began")
        left = workers(program)
        assert program.stop() == 0
    assert not [pid for pid in left if alive(pid)]


@pytest.mark.parametrize("worker_class", ["gthread", "asgi", UVICORN])
def test_max_requests_is_no_crash(program: Program, worker_class: str) -> None:
    """A worker that has served enough goes by itself; another is there at once, again and again: no client notices."""
    start(program, worker_class, max_requests=30)
    with Traffic(program.address, {"one-shot": 4}, seconds=60) as traffic:
        program.wait_for(r"(?s)(has left.*){4}", deadline=30)
    result = traffic.result()
    assert result.failures == {}, result
    assert "is replaced in" not in program.text()
    assert program.stop() == 0


def test_a_stuck_worker_is_killed(program: Program) -> None:
    """No heartbeat for `timeout` seconds, as with gunicorn."""
    start(program, "sync", timeout=1)
    victim, other = workers(program)
    program.send(signal.SIGSTOP, victim)
    program.wait_for(rf"worker \d \(pid {victim}\) gave no heartbeat for timeout = 1 s")
    assert other in wait_workers(program, 2, without=(victim,))
    assert program.stop() == 0


def test_hooks(program: Program) -> None:
    """With gunicorn's arguments, each in the process it belongs to."""
    start(program, "gthread", **TELLING_HOOKS)
    server, (first, second) = str(program.pid), map(str, workers(program))
    assert hooks(program, "pre_fork") == [[server, server, "1", "0"], [server, server, "2", "1"]]
    assert sorted(hooks(program, "post_fork")) == sorted([pid, "True", "True"] for pid in (first, second))
    assert sorted(hooks(program, "post_worker_init")) == sorted([pid, pid, "2"] for pid in (first, second))
    program.send(signal.SIGQUIT, int(first))
    program.wait_for("hook .* child_exit")
    assert hooks(program, "worker_int") == [[first, first]]
    assert hooks(program, "worker_exit") == [[first, first]]
    assert hooks(program, "child_exit") == [[server, first, "False"]]
    wait_workers(program, 2)
    assert program.stop() == 0


def test_more_workers_fewer_workers_and_term(program: Program) -> None:
    """TTIN and TTOU, and TERM to a worker, which leaves by itself and is replaced."""
    start(program, "gthread", workers=1)
    program.send(signal.SIGTTIN)
    before = tuple(wait_workers(program, 2))
    program.send(signal.SIGTTOU)
    (last,) = wait_workers(program, 1)
    assert last in before
    program.send(signal.SIGTERM, last)
    wait_workers(program, 1, without=(last,))
    program.wait_for(rf"\(pid {last}\) has left")
    assert program.get("/version").body == b"1"
    assert program.stop() == 0


@NEEDS_OPENSSL
@pytest.mark.parametrize("worker_class", ["gthread", "asgi", UVICORN])
def test_tls(program: Program, worker_class: str, tmp_path: Path) -> None:
    """By gunicorn's own means, over a restart."""
    certificate = make(tmp_path)
    start(program, worker_class, certfile=str(certificate.cert), keyfile=str(certificate.key))
    for generation in ("1", "2"):
        with certificate.client().wrap_socket(connect(program.address), server_hostname="localhost") as client:
            client.sendall(request("/version", "Connection: close"))
            assert read_answer(client).headers["x-generation"] == generation
        if generation == "1":
            program.restart()
            left = workers(program, program.pid)
            program.wait_gone(*left)
    program.stop()


@pytest.mark.parametrize("worker_class", ["sync", "gevent", "asgi", UVICORN])
def test_the_check(program: Program, worker_class: str) -> None:
    """One more worker answers it and leaves, before any worker accepts."""
    start(program, worker_class, workers=1, check="/version")
    assert len(workers(program)) <= 2
    wait_workers(program, 1)
    program.deploy(check="/fail/x", version="2")
    command = restart(program)
    assert command.returncode == 1
    assert "the check of /fail/x failed: the application answered 'HTTP/1.1 500" in command.stderr
    assert program.get("/version").body == b"1"
    assert program.stop() == 0


def test_a_stop_closes_the_port_at_once(program: Program) -> None:
    """gthread: while what runs is finished, new clients are refused."""
    start(program, "gthread", workers=1)
    with connect(program.address) as client:
        client.sendall(request("/gated/go", "Connection: close"))
        wait_at(program, "go")
        program.send(signal.SIGTERM)
        eventually(lambda: refused(program), "the port is closed")
        open_gate(program, "go")
        assert read_answer(client).status == 200
    assert program.wait_status() == 0


def test_hotswap_run(program: Program) -> None:
    """`-k gevent` without -w means one worker, which loads the application itself, after it has patched."""
    argv = [sys.executable, "-m", "hotswap", "run", "-k", "gevent", "-b", "127.0.0.1:0", "app:app"]
    program.start(command=argv, below="sayings.patched_by_gevent")
    assert len(workers(program)) == 1
    program.wait_for("patched True")
    program.restart()
    assert program.get("/version").status == 200
    program.stop()


def test_a_unix_socket(program: Program) -> None:
    """Its path goes with the whole server only."""
    start(program, "gthread", workers=1, address="unix:s.sock")
    address = f"unix:{program.folder}/s.sock"
    with connect(address) as client:
        client.sendall(request("/version", "Connection: close"))
        assert read_answer(client).status == 200
    program.restart()
    program.stop()
    assert not (program.folder / "s.sock").exists()


def wsgi(environ: object, start_response: object) -> list[bytes]:
    """An application that is never called."""
    return []


def other(environ: object, start_response: object) -> list[bytes]:
    """Another one."""
    return []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("threads", "worker_class = 'threads' (keyword) cannot be loaded"),
        ("not_there_1.Worker", "No module named 'not_there_1'"),
        ("hotswap.engine.Nothing", "has no attribute 'Nothing'"),
        ("os.getpid", "is no class"),
    ],
)
def test_a_wrong_name_is_a_sentence(name: str, says: str) -> None:
    """What was given, why it cannot be, and what can."""
    with pytest.raises(SettingError) as found:
        Server(wsgi, "127.0.0.1:0", worker_class=name)
    assert says in str(found.value)
    assert "\n" not in str(found.value)


def test_what_does_not_go_together() -> None:
    """One application for all addresses; TLS by gunicorn's settings."""
    with pytest.raises(UsageError, match="one application for all addresses"):
        Server({"127.0.0.1:0": wsgi, "127.0.0.2:0": other}, worker_class="gthread")
    with pytest.raises(SettingError, match="gunicorn's workers want certfile and keyfile"):
        Server(wsgi, "127.0.0.1:0", worker_class="gthread", ssl_context="adhoc")


def test_what_the_engine_does_not_speak() -> None:
    """It is refused with the engine, and gunicorn's with gunicorn's classes."""
    with pytest.raises(SettingError, match="the engine speaks HTTP"):
        Server(wsgi, "127.0.0.1:0", protocol="uwsgi")
    assert Server(wsgi, "127.0.0.1:0", protocol="uwsgi", worker_class="gthread").cfg.protocol == "uwsgi"


def test_defaults_are_gunicorns() -> None:
    """What hotswap changes for its engine is as gunicorn has it; sync stays sync, and one worker is forked."""
    cfg = Server(wsgi, "127.0.0.1:0", worker_class="sync").cfg
    assert (cfg.threads, cfg.keepalive, cfg.worker_connections, cfg.workers) == (1, 2, 1000, 1)
    assert Server(wsgi, "127.0.0.1:0", worker_class="gthread", threads=8, workers=3).cfg.threads == 8
    engine = Server(wsgi, "127.0.0.1:0", worker_class="hotswap").cfg
    assert (engine.threads, engine.workers) == (64, 0)


def test_importing_gevents_worker_patches_nothing(program: Program) -> None:
    """The server process stays what it was: it waits with epoll, and forks."""
    start(program, "gevent", workers=1, when_ready="tests.apps.hooks.tells_whether_there_is_epoll")
    program.wait_for("epoll True")
    program.wait_for("GeventWorker patches the standard library in each worker, after the application has been")
    assert [process.pid for process in descendants(program.pid)] == workers(program)
    assert program.stop() == 0
    assert "gevent" not in os.environ
