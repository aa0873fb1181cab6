"""`ExecReload=hotswap restart $MAINPID`: systemctl tells how a reload went, whatever the type of the unit."""

from __future__ import annotations

import pytest

from tests.systemd.test_forking import lines_of
from tests.systemd.units import UNIT, Row, Service

pytestmark = [pytest.mark.needs("systemctl", "systemd"), pytest.mark.needs("nsenter", "util-linux")]


@pytest.mark.parametrize("type", ["notify", "exec", "simple", "forking"])
def test_a_reload_tells_its_outcome(service: Service, type: str) -> None:
    """Three reloads, the second of them of a broken version: the new version serves, or systemctl fails."""
    program, systemd = service.program, service.systemd
    lines = lines_of(service, "mixed") if type == "forking" else Row(type, "mixed").lines()
    service.start({**lines, "ExecReload": f"{program.python} -m hotswap restart $MAINPID"})
    for version in ("2", "broken", "3"):
        program.deploy(version=version, below="boots.divides" if version == "broken" else [])
        reload = systemd.run("systemctl", "reload", UNIT)
        assert reload.returncode == (1 if version == "broken" else 0)
        assert program.get("/version").body.decode() == ("2" if version == "broken" else version)
    assert systemd.show(UNIT, "ActiveState") == "active"
