"""The example with a pool, on PostgreSQL: skipped where there is no server to start, or no driver."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.asking import get
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import ProcessTree
from tests.restart.test_load import assert_nobody_noticed
from tests.test_frameworks import PATHS, start
from tests.traffic import Traffic

psycopg = pytest.importorskip("psycopg")
START_POOL = "background = Background()\n"


def program_of_postgres(name: str) -> str:
    """Where it is; Debian keeps the server's programs out of PATH."""
    found = shutil.which(name) or next(iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None)
    if found is None:
        pytest.skip(f"there is no {name}: on Debian, apt-get install postgresql")
    return str(found)


def somebody() -> dict[str, int]:
    """The user and group that PostgreSQL runs as: it refuses to be root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid}


@pytest.fixture
def database(process_tree: ProcessTree) -> Iterator[str]:
    """A server of this test's own, on a unix socket; its folder."""
    initdb, postgres = program_of_postgres("initdb"), program_of_postgres("postgres")
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "wb") as log:
        whom, data = somebody(), os.path.join(folder, "data")
        os.chown(folder, whom.get("user", -1), whom.get("group", -1))
        os.chmod(folder, 0o755)
        common: dict[str, Any] = {"cwd": folder, "stdout": log, "stderr": log, **whom}
        subprocess.run([initdb, "-D", data, "-A", "trust", "-U", "shop", "--no-sync"], check=True, **common)
        with subprocess.Popen([postgres, "-D", data, "-k", folder, "-h", "", "-F"], **common) as server:
            eventually(lambda: answers(folder), "PostgreSQL does not start")
            yield folder
            server.send_signal(signal.SIGINT)


def answers(folder: str) -> bool:
    """Whether the server takes connections."""
    try:
        ask(folder, "SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def ask(folder: str, query: str) -> list[tuple[Any, ...]]:
    """What the database says."""
    with psycopg.connect(f"host={folder} user=shop dbname=postgres") as connection:
        return list(connection.execute(query))


def url(folder: str) -> str:
    """As SQLAlchemy wants it."""
    return f"postgresql+psycopg://shop@/postgres?host={folder}"


def wait_for_a_tick(program: Program, folder: str) -> None:
    """Wait until the generation that serves has had one."""
    query = f"SELECT 1 FROM ticks WHERE generation = {program.serving_generation}"
    eventually(lambda: ask(folder, query), "no ticks")


def test_pool_and_ticks(program: Program, database: str) -> None:
    """Restarted under load: nothing fails, no tick comes twice, and no connection is left."""
    start(program, 2, DATABASE_URL=url(database))
    with Traffic(program.address, {"keep-alive": 4, "one-shot": 2}, seconds=60, paths=PATHS) as traffic:
        for _ in range(2):
            program.restart()
            wait_for_a_tick(program, database)
    assert_nobody_noticed(traffic.result())
    program.stop()
    assert ask(database, "SELECT number FROM ticks GROUP BY number HAVING count(*) > 1") == []
    others = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    eventually(lambda: not ask(database, others), "connections are left")


def test_a_connection_before_the_fork(program: Program, database: str) -> None:
    """It is named, and the old version serves on."""
    start(program, 2, DATABASE_URL=url(database))
    early = f"{START_POOL}CONNECTION = create_engine(DATABASE_URL).connect()\n"
    program.deploy(text=program.script.read_text().replace(START_POOL, early))
    command = hotswap(program, "restart", str(program.pid))
    assert command.returncode == 1
    assert f"cannot fork workers: a connection to unix:{database}/.s.PGSQL.5432 (descriptor " in command.stderr
    assert get(program.address, "/hello/you").status == 200
    assert program.stop() == 0
