"""Units of Type=forking: `hotswap run --daemon`, whose pid file systemd reads again when the main process ends."""

from __future__ import annotations

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import READY
from tests.restart.gates import open_gate, wait_at
from tests.restart.test_load import assert_nobody_noticed
from tests.systemd.test_reload_and_stop import stop_while_generation_1_retires, stop_with_a_request_under_way
from tests.systemd.units import UNIT, Row, Service
from tests.traffic import Traffic

pytestmark = [pytest.mark.needs("systemctl", "systemd"), pytest.mark.needs("nsenter", "util-linux")]

EACH = pytest.mark.parametrize("kill_mode", ["control-group", "mixed", "process"])


def lines_of(service: Service, kill_mode: str, application: str = "app:app") -> dict[str, str]:
    """The unit; what the application prints goes to the log, too."""
    program = service.program
    options = f"--daemon --pid shop.pid --bind 127.0.0.1:0 --log-file {program.log} --capture-output"
    return {
        **Row("forking", kill_mode).lines(),
        "PIDFile": f"{program.folder}/shop.pid",
        "ExecStart": f"{program.python} -m hotswap run {application} {options}",
    }


@EACH
def test_a_life(service: Service, kill_mode: str) -> None:
    """No client notices two reloads, the main process is the one that serves, and a stop answers what is under way."""
    service.start(lines_of(service, kill_mode))
    program, systemd = service.program, service.systemd
    assert systemd.show(UNIT, "MainPID") == str(program.serving_pid)
    with Traffic(program.address, {"keep-alive": 4, "one-shot": 4}, seconds=60) as traffic:
        for _ in range(2):
            service.reload()
            eventually(lambda: systemd.show(UNIT, "MainPID") == str(program.serving_pid), "another main process")
    assert_nobody_noticed(traffic.result())
    assert (systemd.show(UNIT, "ActiveState"), systemd.show(UNIT, "NRestarts")) == ("active", "0")
    stop_with_a_request_under_way(service)


@EACH
def test_a_stop_while_generation_1_retires(service: Service, kill_mode: str) -> None:
    """It is the main process until it ends, so it is told to stop, and passes that on."""
    service.start(lines_of(service, kill_mode))
    stop_while_generation_1_retires(service)


@EACH
def test_it_outlasts_what_the_others_have_under_way(service: Service, kill_mode: str) -> None:
    """Its end would be the server's for systemd, if the pid file is gone by then: generation 1 ends after generation 2,
    and what comes behind serve() in that."""
    service.start(lines_of(service, kill_mode))
    program = service.program
    program.deploy(below="endings.of_program")
    with connect(program.address) as new:
        with connect(program.address) as old:
            old.sendall(request("/gated/long"))
            wait_at(program, "long")
            service.reload()
            new.sendall(request("/slow/2"))
            program.wait_for("slow 2 began")
            stop = service.begin("stop")
            program.wait_for("gen=2 .*draining")
            open_gate(program, "long")
            assert read_answer(old).headers["x-generation"] == "1"
        assert read_answer(new).headers["x-generation"] == "2"
    program.wait_for(r"(?s)atexit of 2 .*gen=1 pid=\d+ retired\n")
    assert stop.wait(timeout=15) == 0
    assert service.systemd.processes(UNIT) == []
    assert service.systemd.show(UNIT, "Result") == "success"


def test_a_failed_start(service: Service) -> None:
    """systemctl fails at once, and the next start is a start like any."""
    service.write(lines_of(service, "mixed", "missing:app"))
    assert service.systemd.run("systemctl", "start", UNIT).returncode == 1
    assert service.systemd.show(UNIT, "Result") == "exit-code"
    service.write(lines_of(service, "mixed"))
    service.systemd.ctl("daemon-reload")
    service.systemd.ctl("start", UNIT)
    service.program.wait_for(READY)
