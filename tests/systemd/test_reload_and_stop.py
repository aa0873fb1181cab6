"""hotswap as a unit of a real systemd, for each way in which a unit may start and stop it.

A row more in ROWS is tested in everything below.
"""

from __future__ import annotations

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.restart.gates import open_gate, wait_at
from tests.restart.test_load import assert_nobody_noticed
from tests.systemd.units import UNIT, Row, Service
from tests.traffic import Traffic

pytestmark = [pytest.mark.needs("systemctl", "systemd"), pytest.mark.needs("nsenter", "util-linux")]

ROWS = [Row(type, mode) for type in ("notify", "exec", "simple") for mode in ("control-group", "mixed", "process")]
EACH = pytest.mark.parametrize("row", ROWS, ids=["-".join(row) for row in ROWS])


@EACH
def test_reloads_under_load(service: Service, row: Row) -> None:
    """No client notices three reloads, and the main process stays the same."""
    service.start(row.lines())
    program, systemd = service.program, service.systemd
    main = int(systemd.show(UNIT, "MainPID"))
    with Traffic(program.address, {"keep-alive": 4, "one-shot": 4}, seconds=60) as traffic:
        for number in (2, 3, 4):
            program.deploy(version=str(number))
            assert service.reload() == number
            assert systemd.show(UNIT, "MainPID") == str(main)
    result = traffic.result()
    assert_nobody_noticed(result)
    assert "4" in result.versions
    if row.notifies:
        eventually(lambda: systemd.show(UNIT, "StatusText") == f"generation 4 serves {program.url}", "another status")
    eventually(lambda: sorted(systemd.processes(UNIT)) == [main, program.serving_pid], "older generations are left")
    assert (systemd.show(UNIT, "ActiveState"), systemd.show(UNIT, "NRestarts")) == ("active", "0")


@EACH
def test_failed_reload(service: Service, row: Row) -> None:
    """The old version serves on, `systemctl status` says why, and the mended version is a reload more."""
    service.start(row.lines())
    program, systemd = service.program, service.systemd
    main = systemd.show(UNIT, "MainPID")
    program.deploy(below="boots.divides")
    systemd.ctl("reload", UNIT)
    program.wait_for("restart failed, generation 1 serves on")
    if row.notifies:
        eventually(lambda: "ZeroDivisionError: division by zero" in service.status(), "the status does not say why")
    assert "Active: active (running)" in service.status()
    assert (systemd.show(UNIT, "MainPID"), program.get("/").headers["x-generation"]) == (main, "1")
    program.deploy(below=[])
    assert service.reload() == 2
    assert program.get("/").headers["x-generation"] == "2"


@EACH
def test_a_stop_answers_what_is_under_way(service: Service, row: Row) -> None:
    """systemctl returns when the request is answered and no process is left; and that is a clean end."""
    service.start(row.lines())
    stop_with_a_request_under_way(service)


@EACH
def test_a_stop_after_a_reload_answers_what_is_under_way(service: Service, row: Row) -> None:
    """The same when generation 1's process is the starter."""
    service.start(row.lines())
    service.reload()
    service.program.wait_for("its process is the starter now")
    stop_with_a_request_under_way(service)


@EACH
def test_a_stop_while_generation_1_retires(service: Service, row: Row) -> None:
    """It still finishes a request of its own when the server is stopped."""
    service.start(row.lines())
    stop_while_generation_1_retires(service)


def stop_while_generation_1_retires(service: Service) -> None:
    """Its request is let go when the server drains."""
    with connect(service.program.address) as client:
        client.sendall(request("/gated/long"))
        wait_at(service.program, "long")
        service.reload()
        stop = service.begin("stop")
        service.program.wait_for("draining")
        open_gate(service.program, "long")
        assert read_answer(client).status == 200
    assert stop.wait(timeout=15) == 0
    assert service.systemd.processes(UNIT) == []
    assert service.systemd.show(UNIT, "Result") == "success"


def stop_with_a_request_under_way(service: Service) -> None:
    """The request is let go when the server drains."""
    program, systemd = service.program, service.systemd
    with connect(program.address) as client:
        client.sendall(request("/gated/answer"))
        wait_at(program, "answer")
        stop = service.begin("stop")
        eventually(lambda: "draining" in program.text() or not systemd.processes(UNIT), "it does not drain")
        open_gate(program, "answer")
        assert read_answer(client).status == 200
    assert stop.wait(timeout=15) == 0
    assert systemd.processes(UNIT) == []
    assert [systemd.show(UNIT, name) for name in ("Result", "ActiveState")] == ["success", "inactive"]
