"""hotswap.serve(): addresses, several applications, what it returns and gives back, and its errors."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import hotswap
from tests.asking import get
from tests.harness import ROOT, Program


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
    text = """
        import os, socket, sys
        listener = socket.create_server(("127.0.0.1", 0))
        os.dup2(listener.fileno(), 9)
        os.execv(sys.executable, [sys.executable, "app.py"])
    """
    (program.folder / "wrap.py").write_text(textwrap.dedent(text))
    program.start(command=[sys.executable, "wrap.py"])
    assert program.get("/").status == 200
    program.restart()
    assert program.get("/").headers["x-generation"] == "2"


def test_several_applications_in_one_process(program: Program) -> None:
    """A mapping of address to application; each listener keeps its application over a restart."""
    text = f"""
        import hotswap

        def answering(text):
            def app(environ, start_response):
                start_response("200 OK", [("Content-Length", str(len(text)))])
                return [text]
            return app

        hotswap.serve({{"127.0.0.1:0": answering(b"site"), "unix:{program.folder}/admin": answering(b"admin")}})
    """
    program.start(text=textwrap.dedent(text))
    for _ in range(2):
        assert program.get("/").body == b"site"
        assert get(f"unix:{program.folder}/admin", "/").body == b"admin"
        program.restart()


def test_app_run_arguments(program: Program) -> None:
    """host=, port= and debug= as Flask's app.run() has them; the debugger shows the traceback."""
    text = """
        import hotswap

        def app(environ, start_response):
            raise RuntimeError("shown in the browser")

        if __name__ == "__main__":
            hotswap.serve(app, host="127.0.0.1", port=0, debug=True)
    """
    program.start(text=textwrap.dedent(text))
    answer = program.get("/")
    assert answer.status == 500
    assert b"shown in the browser" in answer.body
    assert b"debugger" in answer.body.lower()


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
    """Whoever connects to it during the swap is answered, not left hanging, not reset."""
    gone = f"unix:{program.folder}/gone"
    program.start(address=["127.0.0.1:0", gone])
    program.deploy(address="127.0.0.1:0")
    program.restart()
    program.wait_for("serves: retiring")
    assert get(gone, "/").headers["x-generation"] == "1"
    program.settle()


ONE_PROCESS = """
    import gc, os, signal, sys, threading
    import hotswap

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def handlers():
        return {number: signal.getsignal(number) for number in signal.valid_signals() if number not in (9, 19)}

    signal.signal(signal.SIGUSR1, lambda *_: None)
    before = handlers(), dict(os.environ), sys.excepthook, sys.getswitchinterval(), sorted(os.listdir("/proc/self/fd"))
    for _ in range(2):
        hotswap.on("ready")(lambda server: threading.Thread(target=server.stop).start())
        print(hotswap.serve(app, "127.0.0.1:0"), flush=True)
    gc.collect()  # a thread that finishes late may still wake the engine, so its descriptor goes with the last user
    after = handlers(), dict(os.environ), sys.excepthook, sys.getswitchinterval(), sorted(os.listdir("/proc/self/fd"))
    print("same" if before == after else (before, after))
    print("wakeup", signal.set_wakeup_fd(-1))
    print("engine threads", [t.name for t in threading.enumerate() if not t.daemon])
"""


def run(folder: Path, text: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    (folder / "one.py").write_text(textwrap.dedent(text))
    return subprocess.run(
        [sys.executable, "one.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def test_everything_is_given_back(tmp_path: Path) -> None:
    """Handlers, environment, exception hook, switch interval, descriptors; and it can serve again."""
    done = run(tmp_path, ONE_PROCESS)
    assert done.stdout.splitlines() == ["stopped", "stopped", "same", "wakeup -1", "engine threads ['MainThread']"], (
        done.stdout + done.stderr
    )


def test_only_the_variables_of_the_settings_are_taken_back(tmp_path: Path) -> None:
    """What the application has set while it served is its own, and stays."""
    text = """
        import os
        import hotswap
        os.environ["KEPT"] = "before"
        def app(environ, start_response): ...
        @hotswap.on("ready")
        def ready(server):
            print(os.environ["KEPT"], os.environ["NEW"])
            os.environ["APP"] = "set"
            server.stop()
        hotswap.serve(app, "127.0.0.1:0", raw_env=["KEPT=changed", "NEW=new"])
        print(os.environ["KEPT"], os.environ.get("NEW"), os.environ.get("APP"))
    """
    assert run(tmp_path, text).stdout.splitlines() == ["changed new", "before None set"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("hotswap.serve('module:app', '127.0.0.1:0')", "hotswap run module:app"),
        ("hotswap.serve(None, '127.0.0.1:0')", "is not a WSGI application"),
        ("hotswap.serve({}, )", "empty"),
        ("hotswap.serve({'127.0.0.1:0': app}, '127.0.0.1:0')", "second argument"),
        ("hotswap.serve(app, 'nonsense::')", "nonsense"),
        ("hotswap.serve(app, '127.0.0.1:0', keepaliv=3)", "keepalive"),
        ("hotswap.serve(app, '127.0.0.1:0', keepalive='x')", "keepalive"),
        ("hotswap.serve(app, '203.0.113.7:1')", "203.0.113.7:1"),
        ("hotswap.serve(app, f'127.0.0.1:{taken}')", "in use"),
        ("hotswap.serve(app, 'unix:/no/such/folder/s')", "/no/such/folder"),
        ("hotswap.serve(app, '127.0.0.1:0', pidfile='/no/such/folder/p')", "/no/such/folder"),
        ("in_thread(lambda: hotswap.serve(app, '127.0.0.1:0'))", "main thread"),
        ("hotswap.on('nothing')", "ready"),
    ],
)
def test_each_mistake_is_one_clear_error(tmp_path: Path, call: str, says: str) -> None:
    """Before anything is started, and it says what was wrong or what to do."""
    text = f"""
        import socket, threading
        import hotswap

        def app(environ, start_response): ...

        def in_thread(call):
            caught = []
            def run():
                try: call()
                except hotswap.HotswapError as error: caught.append(error)
            thread = threading.Thread(target=run); thread.start(); thread.join()
            raise caught[0]

        listener = socket.create_server(("127.0.0.1", 0))
        taken = listener.getsockname()[1]
        try:
            {call}
        except hotswap.HotswapError as error:
            print(type(error).__name__, error)
    """
    done = run(tmp_path, text)
    assert says in done.stdout, done.stdout + done.stderr
    assert "serving at" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_a_second_server_in_one_process_is_refused(tmp_path: Path) -> None:
    """One process, one server; the message says how to serve several addresses."""
    text = """
        import hotswap
        def app(environ, start_response): ...
        @hotswap.on("ready")
        def again(server):
            try:
                hotswap.serve(app, "127.0.0.1:0")
            except hotswap.UsageError as error:
                print(error)
            server.stop()
        hotswap.serve(app, "127.0.0.1:0")
    """
    assert "mapping of address to application" in run(tmp_path, text).stdout


def test_threads_that_stay_are_named(program: Program) -> None:
    """serve() has returned and the process is still there: the log says why."""
    text = """
        import threading, time
        import hotswap
        def app(environ, start_response): ...
        over = threading.Event()
        threading.Thread(target=over.wait, name="my-worker").start()
        hotswap.serve(app, "127.0.0.1:0")
        over.set()
    """
    program.start(text=textwrap.dedent(text))
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
    text = """
        import multiprocessing, os, signal, threading
        import hotswap
        def child(connection):
            connection.send(os.getpid())
            threading.Event().wait()
        def app(environ, start_response):
            here, there = multiprocessing.Pipe()
            process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
            process.start()
            os.kill(here.recv(), signal.SIGTERM)
            process.join()
            text = str(process.exitcode).encode()
            start_response("200 OK", [("Content-Length", str(len(text)))])
            return [text]
        hotswap.serve(app, "127.0.0.1:0")
    """
    program.start(text=textwrap.dedent(text))
    assert program.get("/").body == b"-15"
    assert program.get("/").body == b"-15"


def test_public_names() -> None:
    """Everything `__all__` names is there, and an unknown name is an AttributeError."""
    for name in hotswap.__all__:
        assert getattr(hotswap, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = hotswap.nothing
