"""What load balancers are told: nothing at a restart, and enough before a stop."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGURG, Signals

import pytest

from tests import asking
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.restart.clusters import wait_workers
from tests.restart.gates import open_gate, wait_at
from tests.traffic import Traffic

HEALTH = "/healthz"
CLIENTS = {"keep-alive": 4, "one-shot": 2}


@contextmanager
def polls(program: Program) -> Iterator[Counter[str]]:
    """Asks for health all the time: on a connection that is kept, and on a new one each time."""
    seen: Counter[str] = Counter()
    over = threading.Event()

    def kept() -> None:
        with asking.connect(program.address) as sock:
            while not over.wait(0.002):
                sock.sendall(asking.request(HEALTH))
                seen[f"kept {asking.read_answer(sock).status}"] += 1

    def new() -> None:
        while not over.wait(0.002):
            seen[f"new {program.get(HEALTH).status}"] += 1

    def counting(poll: Callable[[], None]) -> None:
        try:
            poll()
        except Exception as error:  # noqa: BLE001  an outcome like any other
            seen[repr(error)] += 1

    threads = [threading.Thread(target=counting, args=(poll,), daemon=True) for poll in (kept, new)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(15)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_restart_is_not_noticed(program: Program, workers: int) -> None:
    """Three restarts, and with workers one that is recycled: health is 200 all the time, on every connection."""
    program.start(health=HEALTH, workers=workers, retire_timeout=20)
    with polls(program) as seen, Traffic(program.address, CLIENTS, seconds=60) as traffic:
        for _ in range(3):
            program.restart()
            traffic.restarted()
        if workers:
            told = wait_workers(program, workers)[0]
            program.send(SIGTERM, told)
            wait_workers(program, workers, without=(told,))
    assert set(seen) == {"kept 200", "new 200"}, seen
    assert min(seen.values()) > 10
    assert traffic.result().failures == {}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stop_is_noticed_before_a_client_is_refused(program: Program, workers: int) -> None:
    """After SIGTERM health says 503 at once, and all clients are served, new ones too."""
    program.start(health=HEALTH, lame_duck=600, workers=workers)
    with Traffic(program.address, CLIENTS, seconds=60) as traffic:
        program.send(SIGTERM)
        eventually(lambda: program.get(HEALTH).status == 503, "health does not say 503")
        asked = traffic.snapshot().requests
        eventually(lambda: traffic.snapshot().requests > asked + 200)
        with polls(program) as seen:
            eventually(lambda: sum(seen.values()) > 20)
    assert set(seen) <= {"kept 503", "new 503"}, seen
    assert traffic.result().failures == {}
    program.send(SIGINT)
    assert program.wait_status() == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_the_end_of_a_lame_duck(program: Program, workers: int) -> None:
    """It drains by itself; what has been accepted or waits to be is served, and who comes later is refused."""
    program.start(health=HEALTH, lame_duck=0.5, workers=workers)
    with Traffic(program.address, {"one-shot": 4}, seconds=60) as traffic:
        program.send(SIGTERM)
        program.wait_for("draining: no new connections")
        assert program.wait_status() == 0
    failures = traffic.result().failures.get("one-shot", {})
    assert set(failures) <= {"refused"}, traffic.result()


def tells_again(program: Program, pid: int | None = None) -> bool:
    """Sends a SIGTERM; whether one has cut the lame duck short by now."""
    program.send(SIGTERM, pid)
    return "SIGTERM once more" in program.text()


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_told_again_it_drains(program: Program, number: Signals) -> None:
    """A second SIGTERM or SIGINT cuts a lame duck short. One that comes within a moment is the first once more: a
    process group gets it from a starter and from the terminal."""
    program.start(health=HEALTH, lame_duck=600)
    program.send(SIGTERM)
    program.wait_for("lame duck for 600 s, then draining: still accepting, /healthz says 503")
    mark = program.mark()
    program.send(SIGTERM)
    program.send(SIGHUP)
    program.wait_for("SIGHUP: ignored, this server was told to stop", since=mark)
    with asking.connect(program.address) as sock:
        sock.sendall(asking.request("/gated/held"))
        wait_at(program, "held")
        # A server with a request to finish is there for as long as it is signalled.
        program.send(number)
        if number is SIGTERM:
            eventually(lambda: tells_again(program))
        program.wait_for("draining: no new connections")
        open_gate(program, "held")
        assert asking.read_answer(sock).status == 200
    assert program.wait_status() == 0


def test_a_successor_that_boots_is_stopped_first(program: Program) -> None:
    """SIGTERM during a restart ends the server, politely all the same."""
    program.start(health=HEALTH, lame_duck=600, below="gates.importing")
    program.hup()
    wait_at(program, "import of 2")
    program.send(SIGTERM)
    program.wait_for("lame duck for 600 s")
    assert program.get(HEALTH).status == 503
    program.send(SIGINT)
    assert program.wait_status() == 0


def test_drained_by_hand_without_a_health_path(program: Program) -> None:
    """`hotswap drain` does not say that load balancers were told where no path tells them."""
    program.start()
    found = hotswap(program, "drain")
    assert (found.returncode, found.stderr) == (0, "")
    assert "has no health path" in found.stdout
    assert "says 503" not in found.stdout  # in a port or a pid it may stand
    assert "has no health path" in hotswap(program, "drain").stdout
    program.stop()


@pytest.mark.parametrize("workers", [0, 2])
def test_drained_by_hand_and_taken_back_by_a_restart(program: Program, workers: int) -> None:
    """`hotswap drain` makes health say 503 and lasts: over a failed restart, and in workers that come later. A restart
    that succeeds is the end of it."""
    program.start(health=HEALTH, workers=workers)
    found = hotswap(program, "drain")
    assert (found.returncode, found.stderr) == (0, "")
    assert "drains: generation 1" in found.stdout
    assert "its health path says 503" in found.stdout
    assert program.get(HEALTH).status == 503
    assert "drains already" in hotswap(program, "drain").stdout
    if workers:
        killed = wait_workers(program, workers)[0]
        program.send(SIGKILL, killed)
        wait_workers(program, workers, without=(killed,))
    program.deploy(version="broken", text="import nonsense")
    mark = program.mark()
    program.hup()
    program.wait_for("restart failed", since=mark)
    assert {program.get(HEALTH).status for _ in range(20)} == {503}
    program.deploy(app="plain")
    program.restart()
    assert {program.get(HEALTH).status for _ in range(20)} == {200}
    assert program.stop() in (0, None)


def test_a_restart_under_way_is_not_drained(program: Program) -> None:
    """Its new generation would not be a lame duck: the command says so."""
    program.start(health=HEALTH, below="gates.before_ready")
    program.hup()
    wait_at(program, "before ready of 2")
    found = hotswap(program, "drain")
    assert (found.returncode, found.stdout) == (1, "")
    assert "is being restarted: ask again when that is through" in found.stderr
    program.send(SIGURG)
    program.wait_for("SIGURG during a restart: ignored")
    open_gate(program, "before ready of 2")
    program.wait_generation(2)
    assert program.get(HEALTH).status == 200


def test_what_a_starting_server_says(program: Program) -> None:
    """A route of the application's that is never reached would be a riddle."""
    program.start(health=HEALTH)
    line = next(line for line in program.text().splitlines() if "hotswap " in line and " for http" in line)
    assert line.endswith("; GET /healthz is answered by the server, not by the application")


def test_refused_where_the_engine_is_not_ours(program: Program) -> None:
    """Other workers read their requests themselves."""
    program.start(ready=False, health=HEALTH, workers=1, worker_class="sync")
    assert program.wait_status() != 0
    assert "health = '/healthz' (keyword) is refused: workers of another class" in program.text()


def test_behind_a_starter(program: Program) -> None:
    """The pid that stays is told to stop: the generation that serves is the lame duck, and the starter waits for it."""
    program.start(health=HEALTH, lame_duck=600, stable_pid="on")
    program.restart()
    program.wait_for("its process is the starter now")
    program.send(SIGTERM, program.pid)
    program.wait_for("gen=2 .* lame duck for 600 s")
    assert program.get(HEALTH).status == 503
    assert program.get("/version").status == 200
    with asking.connect(program.address) as sock:
        sock.sendall(asking.request("/gated/held"))
        wait_at(program, "held")
        eventually(lambda: tells_again(program, program.pid))
        open_gate(program, "held")
        assert asking.read_answer(sock).status == 200
    assert program.wait_status() == 0
