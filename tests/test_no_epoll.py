"""Where there is no epoll: `import hotswap` works, and `serve()` is werkzeug's server.

The branch is forced in a process of its own, whose standard library has lost what Windows has not got either.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.asking import connect, get, request
from tests.eventually import eventually
from tests.harness import ROOT, Program
from tests.live import starts_processes
from tests.traffic.answers import Answer

#: Runs before everything else (the module `site`).
SITE = """
    import os, re, select, signal, socket, sys

    for module, names in {
        select: ["epoll", "poll"],
        os: ["fork", "register_at_fork", "pipe2", "pidfd_open", "memfd_create", "posix_fallocate", "eventfd",
             "geteuid", "getegid", "getuid", "getgid", "getsid", "sendfile", "sysconf"],
        socket: ["AF_UNIX", "SO_REUSEPORT", "SCM_RIGHTS", "send_fds", "recv_fds"],
        signal: ["pthread_sigmask", "pidfd_send_signal", "siginterrupt", "sigwait", "sigtimedwait", "setitimer",
                 *(name for name in dir(signal) if re.match("SIG[A-Z]", name) and name not in ("SIGINT", "SIGTERM"))],
    }.items():
        for name in names:
            vars(module).pop(name, None)
    for name in ("fcntl", "resource", "termios", "tty", "pty", "grp", "pwd", "syslog"):
        sys.modules[name] = None
"""

APP = """
    import hotswap

    SETTINGS = {}

    def app(environ, start_response):
        text = f"{environ['wsgi.url_scheme']} {environ['wsgi.multithread']} {environ['SERVER_SOFTWARE']}".encode()
        if environ["PATH_INFO"] == "/fail":
            raise RuntimeError("shown in the browser")
        start_response("200 OK", [("Content-Length", str(len(text)))])
        return [text]

    @hotswap.on("ready")
    def ready(server):
        print("ready", hotswap.generation, server.listening, flush=True)

    if __name__ == "__main__":
        print("serve() returned", hotswap.serve(app, **SETTINGS), hotswap.draining.is_set(), flush=True)
"""

NEEDED = "hot restart needs Linux"


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    """The environment in which Python has no epoll."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(SITE))
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


def start(program: Program, environ: Mapping[str, str], **settings: Any) -> int:
    """Starts the program and waits until it serves; returns the port that werkzeug names."""
    program.start(text=textwrap.dedent(APP), environ=environ, ready=False, **settings)
    return int(program.wait_for(r"Running on https?://127\.0\.0\.1:(\d+)")[1])


def ask(port: int, path: str = "/") -> Answer:
    return get(f"127.0.0.1:{port}", path)


def python(environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a short program to its end."""
    everything = {**environ, "PATH": os.environ.get("PATH", os.defpath)}
    return subprocess.run([sys.executable, *arguments], env=everything, capture_output=True, text=True, timeout=30)


def failing(environ: Mapping[str, str], call: str) -> str:
    """What a call of hotswap raises."""
    text = f"""
        import hotswap
        def app(environ, start_response): ...
        try: {call}
        except hotswap.HotswapError as error: print(type(error).__name__, error)
    """
    done = python(environ, "-c", textwrap.dedent(text))
    assert done.returncode == 0, done.stderr
    return done.stdout


@starts_processes
def test_import(environ: Mapping[str, str]) -> None:
    """Every public name is there, and none of them needed Linux."""
    text = "import hotswap; print([getattr(hotswap, name) for name in hotswap.__all__], hotswap.generation)"
    done = python(environ, "-c", text)
    assert done.returncode == 0, done.stderr
    assert "hotswap.dev.werkzeug_server.WerkzeugServer" in done.stdout


@starts_processes
def test_the_branch_is_the_forced_one(environ: Mapping[str, str]) -> None:
    """gunicorn cannot be imported there, so nothing of what is tested here has used it."""
    done = python(environ, "-c", "import gunicorn.config")
    assert "ModuleNotFoundError" in done.stderr


def test_serving(program: Program, environ: Mapping[str, str]) -> None:
    """One line says why there is no hot restart; requests are answered by werkzeug, with threads; Ctrl-C ends it."""
    port = start(program, environ, host="127.0.0.1", port=0)
    answer = ask(port)
    assert answer.status == 200
    assert re.fullmatch(rb"http True Werkzeug/.*", answer.body)
    assert len(re.findall(NEEDED, program.text())) == 1
    assert "ready 1 ['http://127.0.0.1:0']" in program.text()
    program.send(signal.SIGINT, program.pid)
    assert program.wait_status() == 0
    assert "serve() returned stopped True" in program.text()


def test_settings_without_effect_are_said_once(program: Program, environ: Mapping[str, str]) -> None:
    """In one line, by their names; what werkzeug can do is not among them."""
    port = start(program, environ, bind="127.0.0.1:0", threads=1, pidfile="x.pid", keepalive=3, retire_timeout=5)
    assert b"http False " in ask(port).body
    lines = [line for line in program.text().splitlines() if "without effect" in line]
    assert lines == ["without effect on this platform: keepalive, pidfile, retire_timeout"]


def test_debug(program: Program, environ: Mapping[str, str]) -> None:
    """The debugger, and werkzeug's own reloader: a saved file is served after a restart that is not hot."""
    watch = {"debug": True, "reloader_interval": 0.05, "exclude_patterns": [f"{ROOT}/*"], "reloader_type": "stat"}
    port = start(program, environ, port=0, **watch)
    eventually(lambda: "ready 1" in program.text(), "the reloader's child serves")
    page = ask(port, "/fail")
    assert page.status == 500
    assert b"shown in the browser" in page.body
    assert b"EVALEX = true" in page.body
    assert len(re.findall(NEEDED, program.text())) == 1
    os.utime(program.script)
    program.wait_for("Detected change in .*app.py")
    eventually(lambda: program.text().count("ready 1") == 2, "the reloader's second child serves")
    assert ask(port).status == 200


@pytest.mark.needs("openssl", "openssl")
def test_tls(program: Program, environ: Mapping[str, str]) -> None:
    """gunicorn's certfile and keyfile, as app.run()'s ssl_context."""
    certificate, key = str(program.folder / "cert.pem"), str(program.folder / "key.pem")
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run(command.split(), check=True, capture_output=True, timeout=30)
    port = start(program, environ, port=0, certfile=certificate, keyfile=key)
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().read().startswith(b"https True")
    connection.close()
    assert "https://127.0.0.1:0" in program.text()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("hotswap.serve('module:app')", "UsageError .*hotswap run module:app"),
        ("hotswap.serve(app, keepaliv=3)", "SettingError .*did you mean keepalive"),
        ("hotswap.serve(app, '::')", "AddressError "),
        ("hotswap.serve(app, [':1', ':2'])", "UsageError .*listens on one address, and 2 are given"),
        ("hotswap.serve({':1': app, ':2': app})", "UsageError .*listens on one address, and 2 are given"),
        ("hotswap.serve(app, 'unix:@name')", "UsageError .*cannot listen on unix:@name: write host:port"),
        ("hotswap.serve(app, 'fd://3')", "UsageError .*cannot listen on fd://3: write host:port"),
        ("hotswap.serve(app, ':1', port=2)", "SettingError .*given twice"),
        ("hotswap.Server(app).restart()", f"RestartRefused .*{NEEDED}"),
        ("hotswap.Worker", "UsageError hotswap.Worker needs Linux"),
    ],
)
@starts_processes
def test_errors(environ: Mapping[str, str], call: str, says: str) -> None:
    """What is wrong on Linux is wrong here too, in the same words; what werkzeug cannot do is said."""
    assert re.match(says, failing(environ, call))


@starts_processes
def test_the_commands_say_it(environ: Mapping[str, str]) -> None:
    """`hotswap status` has no server to look for."""
    done = python(environ, "-m", "hotswap", "status")
    assert (done.returncode, done.stdout) == (1, "")
    assert NEEDED in done.stderr


@starts_processes
def test_flask_can_import_its_command(environ: Mapping[str, str]) -> None:
    """It does so for any command that is not its own; only this one needs Linux."""
    done = python(environ, "-c", "from hotswap.frameworks.flask_command import command; command(['-b', ':0'])")
    assert done.returncode == 1
    assert f"flask hotswap: {NEEDED}" in done.stderr


def test_stop(program: Program, environ: Mapping[str, str]) -> None:
    """Server.stop(), from the thread of a request."""
    text = """
        import hotswap
        def app(environ, start_response):
            server.stop()
            start_response("200 OK", [("Content-Length", "0")])
            return [b""]
        server = hotswap.Server(app, "127.0.0.1:0")
        print("run() returned", server.run(), flush=True)
    """
    program.start(text=textwrap.dedent(text), environ=environ, ready=False)
    port = program.wait_for(r"Running on http://127\.0\.0\.1:(\d+)")[1]
    with connect(f"127.0.0.1:{port}") as client:
        # Whether it is answered first is not said: the process may be gone before its thread comes to it.
        client.sendall(request("/"))
        assert program.wait_status() == 0
    assert "run() returned stopped" in program.text()
