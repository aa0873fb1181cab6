"""Sockets that a real systemd holds for its unit, each with a name (FileDescriptorName= of its .socket unit)."""

from __future__ import annotations

import json

import pytest

from tests.asking import get
from tests.documented import documented
from tests.eventually import eventually
from tests.harness import READY
from tests.systemd.namespaced import HEAD
from tests.systemd.units import UNIT, Row, Service

pytestmark = [pytest.mark.needs("systemctl", "systemd"), pytest.mark.needs("nsenter", "util-linux")]


def listen(service: Service, name: str) -> str:
    """Starts a .socket unit of that name, at a path; gives the address."""
    path = service.program.folder / f"{name}.sock"
    lines = [f"ListenStream={path}", f"FileDescriptorName={name}", f"Service={UNIT}"]
    service.systemd.write(f"{name}.socket", "\n".join([HEAD, "[Socket]", *lines, ""]))
    service.systemd.ctl("start", f"{name}.socket")
    return f"unix:{path}"


def test_named_sockets(service: Service) -> None:
    """The first client starts the service; each socket is found by its name, and the same after a reload."""
    service.write(
        {**Row("notify", "mixed").lines(), "Sockets": "web.socket admin.socket"}, address=["fd://admin", "fd://web"]
    )
    web, admin = listen(service, "web"), listen(service, "admin")
    assert get(web, "/").headers["x-generation"] == "1"
    service.program.wait_for(f"serving at {admin}, {web}\n")
    assert service.reload() == 2
    service.program.wait_for(f"gen=2 pid=.* serving at {admin}, {web}\n")
    assert [get(place, "/").headers["x-generation"] for place in (web, admin)] == ["2", "2"]
    variables = json.loads(get(web, "/env").body)
    assert [name for name in variables if name.startswith("LISTEN_")] == []


def test_the_sockets_outlive_the_service(service: Service) -> None:
    """When the service has stopped, the next client starts it again, at the same path; by the page's unit."""
    service.write(Row("notify", "mixed").lines(), address="fd://web")
    path = service.program.folder / "web.sock"
    text = documented("where-it-runs.md", "shop.socket", {"ListenStream=80": f"ListenStream={path}"})
    service.systemd.write("shop.socket", HEAD + text)
    service.systemd.ctl("start", "shop.socket")
    web = f"unix:{path}"
    assert get(web, "/").headers["x-generation"] == "1"
    service.program.wait_for(READY)
    service.reload()
    mark = service.program.mark()
    service.systemd.run("systemctl", "stop", UNIT)
    eventually(lambda: service.systemd.processes(UNIT) == [], "the server has not ended")
    assert get(web, "/").headers["x-generation"] == "1"
    service.program.wait_for(READY, since=mark)
