"""hotswap.serve(): addresses, several applications, what it returns and gives back, and its errors."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import hotswap
from tests.asking import get
from tests.harness import APPS, ROOT, Program
from tests.live import starts_processes


def app(environ: object, start_response: object) -> list[bytes]:
    return [b""]


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "localhost:0", ":0"])
def test_tcp_addresses(program: Program, address: str) -> None:
    """IPv4, IPv6, a name, and every interface; port 0 stays the same over restarts."""
    program.start(address=address)
    where = program.url.replace("0.0.0.0", "127.0.0.1").removeprefix("http://")
    assert get(where, "/").status == 200
    program.restart()
    assert get(where, "/").headers["x-generation"] == "2"


def test_unix_addresses(program: Program) -> None:
    """A path and an abstract name, together with tcp."""
    name = f"unix:@hotswap-test-{program.folder.name}-{id(program)}"
    program.start(address=["127.0.0.1:0", f"unix:{program.folder}/s", name])
    for address in (program.address, f"unix:{program.folder}/s", name):
        assert get(address, "/").status == 200
    program.restart()
    for address in (program.address, f"unix:{program.folder}/s", name):
        assert get(address, "/").headers["x-generation"] == "2"


def test_an_inherited_descriptor(program: Program) -> None:
    """fd://N serves on a socket that was bound elsewhere."""
    program.deploy(address="fd://9")
    program.start(command=[sys.executable, str(APPS / "exec_with_listener.py")])
    assert program.get("/").status == 200
    program.restart()
    assert program.get("/").headers["x-generation"] == "2"


def test_several_applications_in_one_process(program: Program) -> None:
    """A mapping of address to application; each listener keeps its application over a restart."""
    program.start(app="several")
    for _ in range(2):
        assert program.get("/version").body == b"1"
        assert get(f"unix:{program.folder}/other.sock", "/").body == b"admin"
        program.restart()


def test_app_run_arguments(program: Program) -> None:
    """host=, port= and debug= as Flask's app.run() has them; the debugger shows the traceback."""
    program.start(address=[], host="127.0.0.1", port=0, debug=True)
    answer = program.get("/fail/x")
    assert answer.status == 500
    assert b"asked to fail: x" in answer.body
    assert b"debugger" in answer.body.lower()


def test_the_same_as_options_of_hotswap_run(program: Program) -> None:
    """--host, --port and --debug."""
    options = ("--host", "127.0.0.1", "--port", "0", "--debug")
    program.start(*options, "app:app", command=[sys.executable, "-m", "hotswap", "run"])
    assert b"asked to fail: x" in program.get("/fail/x").body


def test_a_flask_application_says_where(program: Program) -> None:
    """SERVER_NAME is the default address, as with `app.run()`; port 0 stays the same over restarts."""
    program.start(app="server_name")
    assert program.get("/").body == b"1"
    program.deploy(version="2")
    program.restart()
    assert program.get("/").body == b"2"


def test_addresses_may_change_at_a_restart(program: Program) -> None:
    """What stays is never touched, what is new is bound, what went is closed once it is empty."""
    kept, gone, new = (f"unix:{program.folder}/{name}" for name in ("kept", "gone", "new"))
    program.start(address=["127.0.0.1:0", kept, gone])
    inode = (program.folder / "kept").stat().st_ino
    program.deploy(address=["127.0.0.1:0", kept, new])
    program.restart()
    program.settle()
    assert get(kept, "/").headers["x-generation"] == "2"
    assert get(new, "/").headers["x-generation"] == "2"
    assert (program.folder / "kept").stat().st_ino == inode
    with pytest.raises(OSError, match=r"No such file|refused"):
        get(gone, "/")


def test_a_listener_that_goes_is_served_until_then(program: Program) -> None:
    """A client that connects to it during the swap is answered, not left hanging, not reset."""
    gone = f"unix:{program.folder}/gone"
    program.start(address=["127.0.0.1:0", gone])
    program.deploy(address="127.0.0.1:0")
    program.restart()
    program.wait_for("serves: retiring")
    assert get(gone, "/").headers["x-generation"] == "1"
    program.settle()


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A Python program in that folder, to its end."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
    )


@starts_processes
def test_everything_is_given_back(tmp_path: Path) -> None:
    """Handlers, environment, exception hook, switch interval, descriptors; and it can serve again."""
    done = run(tmp_path, APPS / "serves_twice.py")
    assert done.stdout.splitlines() == ["stopped", "stopped", "same", "wakeup -1", "engine threads ['MainThread']"], (
        done.stdout + done.stderr
    )


@starts_processes
def test_only_the_variables_of_the_settings_are_taken_back(tmp_path: Path) -> None:
    """What the application has set while it served is its own, and stays."""
    assert run(tmp_path, APPS / "sets_variables.py").stdout.splitlines() == ["changed new", "before None set"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("hotswap.serve('module:app', '127.0.0.1:0')", "hotswap run module:app"),
        ("hotswap.serve(None, '127.0.0.1:0')", "is not a WSGI application"),
        ("hotswap.serve(lambda: app, '127.0.0.1:0')", "is a factory of applications: call it"),
        ("hotswap.serve({}, )", "empty"),
        ("hotswap.serve({'127.0.0.1:0': app}, '127.0.0.1:0')", "second argument"),
        ("hotswap.serve(app, 'nonsense::')", "nonsense"),
        ("hotswap.serve(app, '127.0.0.1:0', keepaliv=3)", "keepalive"),
        ("hotswap.serve(app, '127.0.0.1:0', keepalive='x')", "keepalive"),
        ("hotswap.serve(app, '203.0.113.7:1')", "203.0.113.7:1"),
        ("hotswap.serve(flask_app('203.0.113.7:1'))", "the address is from SERVER_NAME = '203.0.113.7:1'"),
        ("hotswap.serve(app, f'127.0.0.1:{taken}')", "in use"),
        ("hotswap.serve(app, 'unix:/no/such/folder/s')", "/no/such/folder"),
        ("hotswap.serve(app, '127.0.0.1:0', pidfile='/no/such/folder/p')", "/no/such/folder"),
        ("in_thread(lambda: hotswap.serve(app, '127.0.0.1:0'))", "main thread"),
        ("hotswap.on('nothing')", "ready"),
    ],
)
@starts_processes
def test_each_mistake_is_one_clear_error(tmp_path: Path, call: str, says: str) -> None:
    """Before anything is started, and it says what was wrong or what to do."""
    done = run(tmp_path, APPS / "mistakes.py", call)
    assert says in done.stdout, done.stdout + done.stderr
    assert "serving at" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


@starts_processes
def test_a_second_server_in_one_process_is_refused(tmp_path: Path) -> None:
    """One process, one server; the message says how to serve several addresses."""
    assert "mapping of address to application" in run(tmp_path, APPS / "serves_in_serve.py").stdout


def test_threads_that_stay_are_named(program: Program) -> None:
    """serve() has returned and the process is still there: the log says why."""
    program.start(below="threads.starts", last="threads.ends")
    program.stop()
    assert "my-worker" in program.text()


def test_refusals_reach_the_command_and_the_log(program: Program) -> None:
    """A program read from standard input cannot be started again: HUP says so, and serving goes on."""
    program.start(command=["/bin/sh", "-c", f"exec {sys.executable} - < app.py"])
    program.send(signal.SIGHUP)
    program.wait_for("restart refused: .*standard input.*put it into a file")
    assert program.get("/").status == 200


def test_signals_of_a_multiprocessing_child_are_its_own(program: Program) -> None:
    """The child's SIGTERM ends the child; the server serves on."""
    program.start()
    assert program.get("/multiprocessing").body == b"-15"
    assert program.get("/multiprocessing").body == b"-15"


def test_public_names() -> None:
    """Everything `__all__` names is there, and an unknown name is an AttributeError."""
    for name in hotswap.__all__:
        assert getattr(hotswap, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = hotswap.nothing


@pytest.mark.parametrize("workers", [0, 1])
def test_a_server_knows_where_it_listens(program: Program, workers: int) -> None:
    """In forked workers too, which are made before it serves."""
    program.start(text=(ROOT / "tests" / "apps" / "where.py").read_text(), workers=workers)
    assert program.get("/").body.decode() == f"http://{program.address}"
    program.restart()
    assert program.get("/").body.decode() == f"http://{program.address}"
