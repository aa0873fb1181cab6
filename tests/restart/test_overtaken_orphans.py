"""Of two restarts the one that began later wins, whichever generation started it, and whichever is ready first.

Generation 2 took over and started "older", and was killed while that booted: "older" is an orphan, and generation 1
serves again. The next restart, "newer", is a successor of generation 1.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.commanding import hotswap
from tests.harness import Program
from tests.restart.gates import open_gate, refused, standing_still, wait_at
from tests.restart.notify_socket import NotifySocket

LAST_LOOK = ("bind", "check", "accept")
"""Where a boot can be made to stand, and the orphan looks once more before it serves. After its last look it can stand
before the rename of its pid file, which Python tells as an audit event, as it tells the start of a process."""


def stands(program: Program, name: str, step: str) -> int:
    """Wait until a process stands there; its pid."""
    wait_at(program, f"{name} before {step}")
    return int(program.wait_for(rf"{name} has pid (\d+)\n")[1])


def orphan(program: Program, *steps: str, **settings: Any) -> int:
    """Make the orphan, which stands at the first of the steps; its pid."""
    program.start(below=("attempts.attempt", "first"), pidfile="pid", check="/checked", **settings)
    program.restart()
    second = program.serving_pid
    program.deploy(below=("attempts.attempt", "older", *steps))
    # Generation 1 must not run out of the time in which it can take the listeners back.
    with standing_still(program, program.pid):
        program.hup()
        older = stands(program, "older", steps[0])
        program.send(signal.SIGKILL, second)
        program.wait_gone(second)
    program.wait_for("generation 1 serves again")
    return older


def begin_newer(program: Program, *steps: str, broken: bool = False) -> None:
    """Have generation 1 start the newer code, which stands at the steps."""
    program.deploy(below=[("attempts.attempt", "newer", *steps), *(["attempts.is_broken"] if broken else [])])
    program.send(signal.SIGHUP, program.pid)


def newer_serves(program: Program) -> int:
    """Wait until generation 1 retires to the newer code; its pid."""
    mark = program.text().index("generation 1 serves again")
    return int(program.wait_for(r"gen=1 .* generation \d+ \(pid (\d+)\) serves: retiring", since=mark)[1])


def assert_serves_alone(program: Program, pid: int) -> None:
    """All others have gone, and the pid file names that process."""
    program.wait_gone(*(other for other in program.pids() if other != pid))
    assert program.get("/pid").body == str(pid).encode()
    assert int((program.folder / "pid").read_text()) == pid
    assert not list(program.folder.glob("pid.*.tmp"))


def outcome(program: Program, pid: int) -> str:
    """How the attempt at that process went, as `hotswap status --json` shows it."""
    (server,) = json.loads(hotswap(program, "status", "--json").stdout)
    (attempt,) = (attempt for attempt in server["attempts"] if attempt["pid"] == pid)
    return str(attempt["outcome"])


def assert_ended_itself(program: Program, pid: int, why: str) -> None:
    """The orphan has ended as a generation that retires does, but has not served, and says why."""
    said = program.wait_for(rf"gen=\d+ pid={pid} (.*) ends without having served")[1]
    assert why in said
    program.wait_for("serve\\(\\) returned retired")
    program.wait_gone(pid)
    assert f"pid={pid} serving at" not in program.text()
    assert "Traceback" not in program.text()
    assert outcome(program, pid) == "failed"


@pytest.mark.parametrize("step", LAST_LOOK)
def test_the_later_one_serves(program: Program, step: str) -> None:
    """Wherever the orphan stands, it looks before it goes on, and ends."""
    older = orphan(program, step)
    begin_newer(program)
    newer = newer_serves(program)
    open_gate(program, f"older before {step}")
    assert_ended_itself(program, older, f"(pid {newer}) serves")
    assert_serves_alone(program, newer)


def test_the_later_one_serves_with_workers(program: Program) -> None:
    """The orphan's workers, which are loaded by then, end with it."""
    older = orphan(program, "accept", workers=2)
    begin_newer(program)
    newer = newer_serves(program)
    open_gate(program, "older before accept")
    assert_ended_itself(program, older, f"(pid {newer}) serves")
    program.wait_gone(program.pid)
    assert program.get("/").headers["x-generation"] == "4"


@pytest.mark.parametrize("step", LAST_LOOK)
def test_the_later_one_boots(program: Program, step: str) -> None:
    """Both boot; the older one, though it would be ready first, ends."""
    older = orphan(program, step)
    begin_newer(program, "check")
    newer = stands(program, "newer", "check")
    open_gate(program, f"older before {step}")
    assert_ended_itself(program, older, f"(pid {newer}) boots")
    assert program.get("/pid").body == str(program.pid).encode()
    open_gate(program, "newer before check")
    assert newer_serves(program) == newer
    assert_serves_alone(program, newer)


def test_the_later_one_fails_after_the_orphan_has_ended(program: Program) -> None:
    """The generation that started it serves on and says why, as after any failed restart; the next one works."""
    older = orphan(program, "check")
    begin_newer(program, "bind", broken=True)
    newer = stands(program, "newer", "bind")
    open_gate(program, "older before check")
    assert_ended_itself(program, older, f"(pid {newer}) boots")
    mark = program.mark()
    open_gate(program, "newer before bind")
    program.wait_for("RuntimeError: newer is broken", since=mark)
    assert "restart failed, generation 1 serves on" in program.text()[mark:]
    assert program.get("/pid").body == str(program.pid).encode()
    begin_newer(program)
    assert_serves_alone(program, newer_serves(program))


def test_the_later_one_failed_before(program: Program) -> None:
    """What the orphan runs was deployed later than what serves: it takes over, under a number of its own."""
    older = orphan(program, "check")
    begin_newer(program, broken=True)
    program.wait_for("RuntimeError: newer is broken")
    open_gate(program, "older before check")
    assert program.wait_generation(3) == older
    assert_serves_alone(program, older)
    assert outcome(program, older) == "ok"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_the_server_is_stopped_meanwhile(program: Program, number: signal.Signals) -> None:
    """Then the orphan does not bring it up again when the operator has gone."""
    older = orphan(program, "check")
    program.send(number, program.pid)
    program.wait_gone(program.pid)
    open_gate(program, "older before check")
    program.wait_for(f"gen=3 pid={older} the server was told to stop: generation 3 ends without having served")
    program.wait_gone(older)
    assert f"pid={older} serving at" not in program.text()
    assert refused(program)


def test_systemd_hears_who_serves_instead(program: Program, tmp_path: Path) -> None:
    """From the generation that retires to the orphan: it is the unit's main process, and only that is heard."""
    with NotifySocket(f"{tmp_path}/notify") as systemd:
        older = orphan(program, "check", environ=systemd.environ)
        open_gate(program, "older before check")
        program.wait_for("gen=1 .* a younger generation serves")
        while (said := systemd.next()).fields.get("MAINPID") != str(older) or said.pid == older:
            pass
        assert said.pid == program.pid
        assert said.status.startswith("generation 3 serves ")
        program.wait_gone(program.pid)


def pass_the_last_look(program: Program, *newer_steps: str) -> None:
    """The orphan, which stands before it accepts, looks while the later attempt has begun but has no process yet."""
    (program.folder / "hold").touch()
    begin_newer(program, *newer_steps)
    wait_at(program, "start")
    open_gate(program, "older before accept")


def test_an_orphan_that_serves_already_retires(program: Program) -> None:
    """It serves until the later one does."""
    older = orphan(program, "accept")
    pass_the_last_look(program)
    assert program.wait_generation(3) == older
    open_gate(program, "start")
    newer = newer_serves(program)
    program.wait_for(f"pid={older} a younger generation serves, which is not our successor: retiring to it")
    assert_serves_alone(program, newer)
    assert outcome(program, newer) == "ok"


@pytest.mark.parametrize("order", [("older", "newer"), ("newer", "older"), ("at once",)])
def test_both_are_ready_at_once(program: Program, order: tuple[str, ...]) -> None:
    """Both accept, and neither has said so: the older one retires, and the pid file is the newer one's at the end."""
    pids = {"older": orphan(program, "accept", "rename")}
    pass_the_last_look(program, "rename")
    assert stands(program, "older", "rename") == pids["older"]
    open_gate(program, "start")
    pids["newer"] = stands(program, "newer", "rename")
    for name in order:
        for one in pids if name == "at once" else (name,):
            open_gate(program, f"{one} before rename")
        for one in pids if name == "at once" else (name,):
            program.wait_for(f"pid={pids[one]} serving at")
    program.wait_for(f"pid={pids['older']} a younger generation serves")
    assert newer_serves(program) == pids["newer"]
    assert_serves_alone(program, pids["newer"])
    assert f"pid={pids['newer']} a younger" not in program.text()


def test_the_newer_one_has_written_its_pid_and_serves_last(program: Program) -> None:
    """The pid file is the older one's until then: it must not be gone with it."""
    older = orphan(program, "accept", "rename")
    pass_the_last_look(program, "serve")
    assert stands(program, "older", "rename") == older
    open_gate(program, "start")
    newer = stands(program, "newer", "serve")
    open_gate(program, "older before rename")
    program.wait_for(f"pid={older} serving at")
    open_gate(program, "newer before serve")
    program.wait_for(f"pid={older} a younger generation serves")
    assert newer_serves(program) == newer
    assert_serves_alone(program, newer)
