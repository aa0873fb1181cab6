"""The conf files that docs/from-gunicorn.md and docs/from-uwsgi.md show are accepted, and mean the same to gunicorn."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.documented import documented
from tests.harness import Program

CONF = "gunicorn.conf.py"


@pytest.mark.parametrize(
    ("page", "module"),
    [("from-gunicorn.md", "hotswap"), ("from-gunicorn.md", "gunicorn"), ("from-uwsgi.md", "hotswap")],
)
def test_a_conf_file_is_accepted(program: Program, page: str, module: str) -> None:
    """By its own --check-config, with an application."""
    log = str(program.folder / "shop.log")
    changes = {"/var/log/shop/shop.log": log} if page == "from-uwsgi.md" else {}
    program.deploy()
    (program.folder / CONF).write_text(documented(page, CONF, changes))
    words = ["hotswap", "run"] if module == "hotswap" else ["gunicorn"]
    done = subprocess.run(
        [sys.executable, "-m", *words, "--check-config", "-c", CONF, "app:app"],
        cwd=program.folder,
        env=program.environment({}),
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_conf_file_serves(program: Program) -> None:
    """Its hooks and settings are in effect, in every generation."""
    program.deploy()
    (program.folder / CONF).write_text(documented("from-gunicorn.md", CONF, {"0.0.0.0:8000": "127.0.0.1:0"}))
    program.start(command=[program.python, "-m", "hotswap", "run", "-c", CONF, "app:app"])
    program.wait_for("gen=1 .*worker [0-9]+\n")
    program.restart()
    program.wait_for("gen=2 .*ready\n")
    assert (program.folder / "shop.pid").read_text().strip() == str(program.serving_pid)
    program.stop()
