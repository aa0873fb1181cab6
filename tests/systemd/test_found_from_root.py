"""A root shell's commands and the services of a real systemd: whatever a unit hides, its server is found."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually
from tests.harness import ROOT
from tests.systemd.units import UNIT, Row, Service

pytestmark = [pytest.mark.needs("systemctl", "systemd"), pytest.mark.needs("nsenter", "util-linux")]


def lines_of(service: Service, **more: str) -> dict[str, str]:
    """A unit of another user, for whom what the tests need is put where that user may go: it may lie in root's home."""
    paths = {str(ROOT), str(service.program.folder), sys.prefix, sys.base_prefix}
    closed = {Path(path).parts[1] for path in paths if any(not is_open(folder) for folder in Path(path).parents)}
    hidden = " ".join(f"/{name}:mode=755" for name in closed - {"tmp"})
    other = {"User": "nobody", "BindReadOnlyPaths": " ".join(paths), "TemporaryFileSystem": hidden, "PrivateTmp": "yes"}
    return {**Row("notify", "mixed").lines(), **other, **more}


def is_open(folder: Path) -> bool:
    """Whether every user may go through it."""
    return bool(folder.stat().st_mode & 0o001)


def hotswap(service: Service, *words: str) -> tuple[int, str]:
    """`hotswap WORDS` in a root shell: its exit status, and what it says."""
    done = service.systemd.run(
        service.program.python, "-m", "hotswap", *words, environ={"PYTHONPATH": str(ROOT), "TMPDIR": "/nowhere"}
    )
    return done.returncode, done.stdout + done.stderr


def server(service: Service) -> dict[str, Any]:
    """What `hotswap status` says of the service's server; others of this machine may be found, too."""
    status, said = hotswap(service, "status", "--json")
    assert status == 0, said
    (found,) = (facts for facts in json.loads(said) if facts["name"] == "shop")
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        ({"RuntimeDirectory": "shop spare"}, "/run/shop/hotswap/shop.board"),
        ({"RuntimeDirectory": "web/shop"}, "/run/web/shop/hotswap/shop.board"),
        ({}, None),
    ],
    ids=["runtime-directory", "nested", "private-tmp"],
)
def test_status_restart_and_stop(service: Service, lines: dict[str, str], path: str | None) -> None:
    """All three by the server's name, for the service of another user."""
    service.start(lines_of(service, **lines), name="shop")
    program = service.program
    assert server(service)["path"] == path
    program.deploy(version="2")
    status, said = hotswap(service, "restart", "shop")
    assert (status, program.get("/version").body) == (0, b"2"), said
    assert server(service)["processes"][0]["generation"] == 2
    status, said = hotswap(service, "stop", "shop")
    assert status == 0, said
    eventually(lambda: service.systemd.show(UNIT, "ActiveState") == "inactive", "the unit is still there")
    assert service.systemd.show(UNIT, "Result") == "success"
