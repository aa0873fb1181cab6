"""The times that a real systemd sets its units, and what a server says so that they are right."""

from __future__ import annotations

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.systemd.units import UNIT, Row, Service

pytestmark = [pytest.mark.needs("systemctl", "systemd"), pytest.mark.needs("nsenter", "util-linux")]

LINES = Row("notify", "mixed").lines()


def test_a_drain_may_take_its_time(service: Service) -> None:
    """TimeoutStopSec= is over before the request under way is; `systemctl status` shows what is waited for."""
    service.start({**LINES, "TimeoutStopSec": "500ms"}, graceful_timeout=20)
    program, systemd = service.program, service.systemd
    with connect(program.address) as client:
        client.sendall(request("/slow/2"))
        program.wait_for("slow 2 began")
        stop = service.begin("stop")
        eventually(lambda: "stopping: 1 request runs" in systemd.show(UNIT, "StatusText"), "no status")
        assert read_answer(client).status == 200
    assert stop.wait(timeout=15) == 0
    assert systemd.show(UNIT, "Result") == "success"


def test_a_boot_may_take_its_time(service: Service) -> None:
    """A reload is not over before boot_timeout is, whatever TimeoutStartSec= says."""
    service.start({**LINES, "TimeoutStartSec": "1500ms"}, boot_timeout=20)
    service.program.deploy(below="gates.until_go")
    reload = service.begin("reload")
    service.program.wait_for("hanging")
    eventually(lambda: service.systemd.show(UNIT, "ActiveState") == "reloading", "systemd has not heard of the reload")
    with connect(service.program.address) as client:
        client.sendall(request("/slow/2"))
        assert read_answer(client).status == 200
    assert service.systemd.show(UNIT, "ActiveState") == "reloading"
    (service.program.folder / "go").touch()
    eventually(lambda: service.systemd.show(UNIT, "StatusText").startswith("generation 2 serves"), "no READY")
    assert service.systemd.show(UNIT, "ActiveState") == "active"
    assert reload.wait(timeout=15) == 0


def test_the_watchdog(service: Service) -> None:
    """It is fed over reloads; a server whose main loop does not turn any more is ended by it."""
    service.start({**LINES, "WatchdogSec": "1s"})
    program, systemd = service.program, service.systemd
    with connect(program.address) as client:
        client.sendall(request("/slow/3"))
        program.wait_for("slow 3 began")
        service.reload()
        # Generation 1 is the main process, and retires for longer than the watchdog waits.
        assert read_answer(client).status == 200
    program.wait_for("its process is the starter now")
    assert systemd.show(UNIT, "ActiveState") == "active"
    systemd.run("kill", "-STOP", str(program.serving_pid))
    eventually(lambda: systemd.show(UNIT, "Result") == "watchdog", "systemd has not missed it")
