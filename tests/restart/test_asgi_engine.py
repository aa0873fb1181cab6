"""An ASGI application on hotswap's own engine, from its startup to its shutdown, whatever it does to its event loop."""

from __future__ import annotations

import re
import signal
import threading
from contextlib import ExitStack

import pytest

from tests.asking import connect, get, read_answer, request
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import alive
from tests.restart.clusters import settle, wait_workers, workers
from tests.restart.gates import refused, wait_at
from tests.restart.parking import LONG, MODES, park
from tests.restart.test_asgi_life import LOOPS
from tests.restart.test_broken_deploys import restart

EACH_LOOP = pytest.mark.parametrize("loop", LOOPS)


# Startup and shutdown


@MODES
@EACH_LOOP
def test_a_life(program: Program, number: int, loop: str) -> None:
    """Startup before anybody is told that it serves, shutdown when what was asked has been answered."""
    program.start(app="asgi", workers=number, asgi_loop=loop)
    assert program.text().index("startup in") < program.text().index("serving at")
    first = workers(program) or [program.pid]
    with connect(program.address) as client:
        client.sendall(request("/gated/go"))
        wait_at(program, "go")
        program.restart()
        busy = [pid for pid in first if alive(pid)]
        program.wait_for(r"(?s)serving at.*serving at")
        (program.folder / "go").touch()
        answer = read_answer(client)
        assert answer.headers["x-generation"] == "1"
        assert int(answer.headers["x-pid"]) in busy
    for pid in first:
        program.wait_for(rf"shutdown in {pid}\n")
    settle(program)
    second = workers(program) or [program.serving_pid]
    assert program.stop() == 0
    for pid in second:
        assert f"shutdown in {pid}\n" in program.text()
    assert program.text().count("startup in") == program.text().count("shutdown in") == 2 * max(1, number)
    assert "Traceback" not in program.text()


@MODES
def test_at_a_take_back_it_has_not_been_shut_down(program: Program, number: int) -> None:
    """The parked generation serves on with the application that it had, which is told that it does."""
    program.start(app="asgi", workers=number, probation=LONG)
    served_by = workers(program) or [program.pid]
    successor = park(program)
    program.send(signal.SIGKILL, successor)
    program.wait_for("generation 1 serves again")
    assert not [pid for pid in served_by if f"shutdown in {pid}\n" in program.text()]
    with connect(program.address) as client:
        client.sendall(request("/told"))
        program.wait_for("waits until told")
        assert program.get("/version").status == 200
        program.send(signal.SIGTERM, program.pid)
        assert read_answer(client).body.startswith(b"told version=1 generation=1")
    assert program.wait_status() == 0
    for pid in served_by:
        assert f"shutdown in {pid}\n" in program.text()


@MODES
@EACH_LOOP
def test_draining(program: Program, number: int, loop: str) -> None:
    """`state["draining"]` is an event of the loop, set when the process leaves: a handler that waits for it ends."""
    program.start(app="asgi", workers=number, asgi_loop=loop)
    with connect(program.address) as client:
        client.sendall(request("/told"))
        program.wait_for("waits until told")
        program.restart()
        assert b"generation=1 " in read_answer(client).body
        client.sendall(request("/told"))
        program.wait_for("(?s)waits until told.*waits until told")
        mark = program.mark()
        program.send(signal.SIGTERM)
        assert b"generation=2 " in read_answer(client).body
        program.wait_for("draining: no new connections", since=mark)
    program.wait_gone(*program.pids())


@MODES
def test_a_startup_that_hangs(program: Program, number: int) -> None:
    """Fails the restart before its time is over, and says in which line it waits."""
    program.start(app="asgi", workers=number, boot_timeout=8)
    program.deploy(below=("startups.choose", "hangs"))
    command = restart(program)
    assert command.returncode == 1
    assert "the startup of the application failed (ASGI lifespan)" in command.stderr
    assert "it is not complete after 6 s, 75% of boot_timeout; it is here:" in command.stderr
    assert "await asyncio.Event().wait()" in command.stderr
    assert program.get("/version").status == 200
    assert program.stop() == 0


@MODES
def test_a_hang_behind_the_startup(program: Program, number: int) -> None:
    """Fails the restart, too, though the application has said that it is complete; the process does not stay."""
    program.start(app="asgi", workers=number, boot_timeout=8)
    program.deploy(below=("startups.choose", "first_hangs_later"))
    command = restart(program)
    assert command.returncode == 1
    assert re.search(r"line \d+,? in _hang", command.stderr), command.stderr
    program.wait_gone(int(program.wait_for(r"hangs in (\d+)")[1]))
    assert program.stop() == 0


@MODES
def test_a_startup_that_sets_a_signal_handler(program: Program, number: int) -> None:
    """The boot fails, with a sentence that names the call, and says what to do instead."""
    program.start(app="asgi", workers=number, below=("startups.choose", "sets_a_handler"), ready=False)
    assert program.wait_status() != 0
    program.wait_for(
        r"signal only works in main thread(?s:.*)use loop\.add_signal_handler\(\) or @hotswap\.on_signal\(\)"
    )


@MODES
@EACH_LOOP
def test_a_signal_handler_of_the_loop(program: Program, number: int, loop: str) -> None:
    """Is told when its process is to leave, and that leaves all the same."""
    program.start(app="asgi", workers=number, asgi_loop=loop, below=("startups.choose", "adds_a_handler"))
    served_by = workers(program) or [program.pid]
    assert program.stop() == 0
    for pid in served_by:
        assert program.text().count(f"{pid} hears SIGTERM in its loop: True\n") == 1


@MODES
def test_a_shutdown_that_hangs(program: Program, number: int) -> None:
    """Is cut: a stop by graceful_timeout, which counts for a retiring process too, whose retire_timeout is long."""
    program.start(app="asgi", workers=number, graceful_timeout=2, below=("startups.choose_shutdown", "hangs"))
    program.restart()
    program.wait_for("gen=1 .*a shutdown has taken too long, and is cut")
    settle(program)
    assert program.stop() == 0
    program.wait_for(r"gen=2 .*a shutdown has taken too long, and is cut(?s:.*)await asyncio\.Event\(\)\.wait\(\)")


@MODES
def test_a_second_sigint_ends_a_shutdown_that_hangs(program: Program, number: int) -> None:
    """It is not waited for any longer."""
    program.start(app="asgi", workers=number, graceful_timeout=600, below=("startups.choose_shutdown", "hangs"))
    program.send(signal.SIGTERM)
    program.wait_for("draining")
    program.send(signal.SIGINT)
    assert program.wait_status() == 0
    assert "SIGINT while draining: ending what still runs" in program.text()


def test_hooks_stand_around_it(program: Program) -> None:
    """gunicorn's, in its order, also where nothing is forked."""
    program.start(app="asgi", post_worker_init="tests.apps.hooks.says_begin", worker_exit="tests.apps.hooks.says_end")
    assert program.stop() == 0
    order = re.findall(r"(?m)^(begin|startup in|shutdown in|end)\b", program.text())
    assert order == ["begin", "startup in", "shutdown in", "end"]


@MODES
def test_the_check_is_answered_by_the_application(program: Program, number: int) -> None:
    """Behind its startup; a failing one fails the restart, and what was started up is shut down."""
    program.start(app="asgi", workers=number, check="/version")
    program.restart()
    program.settle()
    program.deploy(check="/nothing")
    mark = program.mark()
    command = restart(program)
    assert command.returncode == 1
    assert "the check of /nothing failed: the application answered 'HTTP/1.1 404 Not Found'" in command.stderr
    eventually(
        lambda: program.text()[mark:].count("startup in") == program.text()[mark:].count("shutdown in") > 0,
        "what was started up has not been shut down",
    )
    assert program.stop() == 0


@MODES
def test_a_deploy_from_wsgi_to_asgi_and_back(program: Program, number: int) -> None:
    """Connections move between the engines as between generations of one."""
    program.start(workers=number)
    with connect(program.address) as client:
        for app, generation in (("plain", "1"), ("asgi", "2"), ("plain", "3")):
            program.deploy(app=app)
            if generation != "1":
                program.restart()
                settle(program)
            client.sendall(request("/echo/x"))
            assert read_answer(client).headers["x-generation"] == generation
    assert program.text().count("startup in") == program.text().count("shutdown in") == max(1, number)
    assert program.stop() == 0


def test_each_application_has_a_lifespan_of_its_own(program: Program) -> None:
    """At its own address, with a state of its own; the same one at two addresses has one."""
    program.start(app="two_asgi")
    urls = re.findall(r"http://(127\.0\.0\.1:\d+)", program.wait_for("serving at (.*)")[1])
    assert [get(url, "/").body for url in urls] == [b"one", b"two", b"one"]
    assert re.findall("(\\w+) starts", program.text()) == ["one", "two"]
    assert program.stop() == 0
    assert re.findall("(\\w+) ends", program.text()) == ["two", "one"]


# A loop that is blocked


@MODES
@EACH_LOOP
def test_a_restart_while_the_loop_is_blocked(program: Program, number: int, loop: str) -> None:
    """HUP: the next version serves, also those that were idle here, one that had asked meanwhile, and one in the middle
    of a head; and what blocked is answered when it has ended."""
    program.start(app="asgi", workers=min(number, 1), asgi_loop=loop)
    with ExitStack() as stack:
        busy, *others = [stack.enter_context(connect(program.address, timeout=30)) for _ in range(4)]
        idle, asks, begins = others
        for client in (idle, asks):
            client.sendall(request("/version"))
            assert read_answer(client).body == b"1"
        begins.sendall(request("/version")[:-2])
        assert program.get("/version").body == b"1"
        busy.sendall(request("/blocks/go"))
        wait_at(program, "go")
        asks.sendall(request("/version"))
        program.deploy(version="2")
        program.restart()
        assert program.get("/version").body == b"2"
        idle.sendall(request("/version"))
        begins.sendall(request("/version")[-2:])
        for client in others:
            assert read_answer(client).body == b"2"
        (program.folder / "go").touch()
        assert b"blocked go version=1 " in read_answer(busy).body
        for client in (busy, *others):
            client.sendall(request("/version"))
            assert read_answer(client).body == b"2"
    settle(program)
    assert program.stop() == 0


@MODES
@EACH_LOOP
def test_a_stop_while_the_loop_is_blocked(program: Program, number: int, loop: str) -> None:
    """TERM: the port is closed at once, what blocked is answered, and the process ends then."""
    program.start(app="asgi", workers=min(number, 1), asgi_loop=loop)
    with connect(program.address, timeout=30) as busy:
        busy.sendall(request("/blocks/go"))
        wait_at(program, "go")
        program.send(signal.SIGTERM)
        program.wait_for("draining: no new connections")
        eventually(lambda: refused(program), "the port is not closed")
        (program.folder / "go").touch()
        assert b"blocked go " in read_answer(busy).body
    assert program.wait_status() == 0
    assert program.text().count("shutdown in") == 1


@MODES
@EACH_LOOP
def test_a_lost_successor_while_the_loop_is_blocked(program: Program, number: int, loop: str) -> None:
    """The predecessor serves again before its loop is free, and answers when it is."""
    program.start(app="asgi", workers=min(number, 1), asgi_loop=loop, probation=LONG)
    with connect(program.address, timeout=30) as busy, connect(program.address, timeout=30) as idle:
        idle.sendall(request("/version"))
        assert read_answer(idle).status == 200
        busy.sendall(request("/blocks/go"))
        wait_at(program, "go")
        successor = park(program)
        program.send(signal.SIGKILL, successor)
        program.wait_for("generation 1 serves again")
        (program.folder / "go").touch()
        assert b"blocked go " in read_answer(busy).body
        busy.sendall(request("/echo/x"))
        assert read_answer(busy).headers["x-generation"] == "1"
    assert program.get("/echo/x").headers["x-generation"] == "1"
    assert hotswap(program, "stop").returncode == 0
    assert program.wait_status() == 0


def test_a_worker_whose_loop_is_blocked_is_replaced(program: Program) -> None:
    """After `timeout` seconds: its main thread lives, but nobody is served. The log says in which line it was."""
    program.start(app="asgi", workers=1, timeout=1)
    [victim] = workers(program)
    with connect(program.address, timeout=30) as busy:
        busy.sendall(request("/blocks/never"))
        wait_at(program, "never")
        program.wait_for(rf"worker 1 \(pid {victim}\) gave no heartbeat for timeout = 1 s: ending it")
        program.wait_for(r"its event loop is blocked; it is here:(?s:.*)in gate\n")
    wait_workers(program, 1, without=(victim,))
    assert program.get("/version").status == 200
    assert program.stop() == 0


def test_a_worker_that_leaves_may_block_longer(program: Program) -> None:
    """Then `graceful_timeout` and `retire_timeout` are for it."""
    program.start(app="asgi", workers=1, timeout=1)
    with connect(program.address, timeout=30) as busy:
        busy.sendall(request("/blocks/go"))
        wait_at(program, "go")
        program.restart()
        threading.Event().wait(2)
        (program.folder / "go").touch()
        assert b"blocked go " in read_answer(busy).body
    settle(program)
    assert program.stop() == 0


@MODES
@EACH_LOOP
def test_a_stop_that_cuts_a_blocked_loop(program: Program, number: int, loop: str) -> None:
    """One that blocks for ever is cut by graceful_timeout, and named."""
    program.start(app="asgi", workers=min(number, 1), asgi_loop=loop, graceful_timeout=1)
    with connect(program.address, timeout=30) as busy:
        busy.sendall(request("/blocks/never"))
        wait_at(program, "never")
        program.send(signal.SIGTERM)
        assert program.wait_status() == 0
    program.wait_for("cut GET /blocks/never after")
