"""The commands and a real server: run, status, restart, a broken deploy, a mended one, stop."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

from tests import asking
from tests.harness import Program

SHOP = """
VERSION = 1

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(VERSION).encode()]
"""


def hotswap(program: Program, *arguments: str) -> tuple[int, str, str]:
    """Run a command beside the program, which sees no other server: exit status, output, errors."""
    argv = [sys.executable, "-m", "hotswap", *arguments, "--run-dir", str(program.folder / "run" / "hotswap")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=40, env=program.environment({}))
    return done.returncode, done.stdout, done.stderr


def start(program: Program, *arguments: str) -> Program:
    """Start `hotswap run shop:app` with a name and a pid file."""
    program.write(program.folder / "shop.py", SHOP)
    command = [sys.executable, "-m", "hotswap", "run", "shop:app", "-b", "127.0.0.1:0", "-n", "shop"]
    return program.start("-p", "shop.pid", *arguments, command=command)


def deploy(program: Program, text: str) -> None:
    """Put another version of the application in place."""
    program.write(program.folder / "shop.py", text)


def test_a_life_with_commands(program: Program) -> None:
    """Each command tells the truth about one server: by name, by pid file, by pid."""
    start(program)
    deploy(program, SHOP.replace("VERSION = 1", "VERSION = 2"))
    status, out, err = hotswap(program, "restart", "shop")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1].startswith(f"generation 2 (pid {program.serving_pid}) serves, after ")
    assert program.get("/").body == b"2"
    deploy(program, "x = (\n")
    status, _, err = hotswap(program, "restart", str(program.folder / "shop.pid"))
    assert status == 1
    assert "SyntaxError: '(' was never closed\nhotswap restart: the restart failed after " in err
    assert f"generation 2 (pid {program.serving_pid}) serves" in err.splitlines()[-1]
    (server,) = json.loads(hotswap(program, "status", "--json")[1])
    assert server["last_failure"]["text"].endswith("SyntaxError: '(' was never closed")
    assert [attempt["outcome"] for attempt in server["attempts"]] == ["ok", "failed"]
    deploy(program, SHOP.replace("VERSION = 1", "VERSION = 3"))
    assert hotswap(program, "restart", str(program.serving_pid))[0] == 0
    assert program.get("/").body == b"3"
    (server,) = json.loads(hotswap(program, "status", "--json")[1])
    assert server["last_failure"] is None, "of no concern any more"
    status, out, _ = hotswap(program, "stop", "shop")
    assert status == 0
    assert "shop is stopped, after " in out
    program.wait_gone(*program.pids())
    assert hotswap(program, "stop", "shop")[0] == 1


def test_what_has_moved(program: Program) -> None:
    """A program that asks for JSON is told how many connections the old generation has handed over."""
    start(program)
    with contextlib.ExitStack() as clients:
        idle = [clients.enter_context(asking.connect(program.address)) for _ in range(3)]
        for client in idle:
            client.sendall(asking.request("/"))
            asking.read_answer(client)
        status, out, err = hotswap(program, "restart", "shop", "--json")
        facts = json.loads(out)
        assert (status, err, facts["outcome"], facts["generation"]) == (0, "", "succeeded", 2)
        assert (facts["moved"], facts["connections_left"], facts["requests_left"]) == (3, 0, 0)
        assert facts["serving"] == {"generation": 2, "pid": program.serving_pid}
        # Each is rounded.
        assert 0 < sum(stage["took"] for stage in facts["stages"]) < facts["took"] + 0.01
        (server,) = json.loads(hotswap(program, "status", "--json")[1])
        assert (server["requests"], server["errors"]) == (3, 0), "those of generation 1 are known"
        for client in idle:
            client.sendall(asking.request("/"))
            assert asking.read_answer(client).body == b"1"
    assert program.stop() in (0, None)


def test_two_restarts_at_once(program: Program) -> None:
    """Two operators both get what they asked for: each waits for an attempt that began after they asked."""
    start(program)
    argv = [sys.executable, "-m", "hotswap", "restart", str(program.pid)]
    both = [subprocess.Popen(argv, env=program.environment({}), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outs = [process.communicate(timeout=40)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all("serves, after " in out for out in outs)
    assert program.serving_generation in (2, 3)


def test_a_setting_that_became_wrong(program: Program) -> None:
    """A conf file that a deploy broke fails the restart with its sentence, not with a traceback of ours."""
    start(program)
    (program.folder / "gunicorn.conf.py").write_text("threads = 'many'\n")
    status, _, err = hotswap(program, "restart", "shop")
    assert status == 1
    assert f"threads cannot be 'many' ({program.folder}/gunicorn.conf.py): it takes a whole number" in err
    assert "Traceback" not in err


def test_daemon(program: Program) -> None:
    """--daemon returns at once and leaves a server; a restart of it does not detach again."""
    start(program, "--daemon", "--error-logfile", str(program.log))
    assert program.wait_status() == 0
    assert program.serving_pid != program.pid
    status, out, err = hotswap(program, "restart", "shop")
    assert (status, err) == (0, "")
    assert f"generation 2 (pid {program.serving_pid}) serves" in out
    assert hotswap(program, "stop", "shop")[0] == 0
    program.wait_gone(*program.pids())
