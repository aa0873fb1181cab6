"""Where log lines, requests and metrics go: gunicorn's settings for it, with real files and sockets, over restarts."""

from __future__ import annotations

import json
import re
import signal
import socket
from contextlib import closing
from pathlib import Path

import pytest

from hotswap.system.addresses import parse
from hotswap.system.listeners import bind
from tests import asking
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import PLAIN, Program

WORKERS = pytest.mark.parametrize("workers", ["0", "1"])


def run(program: Program, *arguments: str, ready: bool = True, text: str | None = None) -> Program:
    """`hotswap run` with the application of the tests."""
    command = [program.python, "-m", "hotswap", "run", "app:app", "-b", "127.0.0.1:0", *arguments]
    return program.start(command=command, ready=ready, text=text)


class Mailbox:
    """A datagram socket that remembers what it was sent."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)
        self.said: list[str] = []

    def wait_for(self, *patterns: str) -> None:
        """Wait until each pattern has matched a whole datagram."""

        def all_there() -> bool:
            while True:
                try:
                    self.said.append(self.sock.recv(65536).decode().rstrip("\0"))
                except BlockingIOError:
                    break
            return all(any(re.fullmatch(pattern, line, re.DOTALL) for line in self.said) for pattern in patterns)

        try:
            eventually(all_there)
        except AssertionError as error:
            raise AssertionError(f"not all of {patterns} in {self.said}") from error


def udp() -> socket.socket:
    """A socket at a free port of the loopback interface."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


# --- statsd


@WORKERS
def test_statsd(program: Program, workers: str) -> None:
    """gunicorn's metrics of requests and of log lines, with prefix and tags, and no access log needed."""
    with closing(udp()) as sock:
        box = Mailbox(sock)
        run(program, "--statsd-host", f"127.0.0.1:{sock.getsockname()[1]}", "--statsd-prefix", "shop", "-w", workers,
            "--dogstatsd-tags", "env:test,zone:a", "--enable-backlog-metric")  # fmt: skip
        for generation in (1, 2):
            for path, status in (("/version", 200), ("/nowhere", 404), ("/fail/x", 500)):
                assert program.get(path).status == status
            tags = r"\|#env:test,zone:a"
            box.wait_for(
                rf"shop\.gunicorn\.requests:1\|c\|@1\.0{tags}",
                *(rf"shop\.gunicorn\.request\.status\.{status}:1\|c\|@1\.0{tags}" for status in (200, 404, 500)),
                rf"shop\.gunicorn\.request\.duration:[\d.e-]+\|ms{tags}",
                rf"shop\.gunicorn\.log\.exception:1\|c\|@1\.0{tags}",
                rf"shop\.gunicorn\.backlog:0\|h{tags}",
                *([rf"shop\.gunicorn\.workers:1\|g{tags}"] if workers == "1" else []),
            )
            box.said.clear()
            if generation == 1:
                program.restart()
    program.stop()


def test_the_backlog_is_what_nobody_has_accepted() -> None:
    """Counted by the kernel, for each listener."""
    with closing(bind(parse("127.0.0.1:0"), "127.0.0.1:0", backlog=16)) as listener:
        clients = [asking.connect(listener.bound) for _ in range(3)]
        assert listener.backlog() == 3
        for client in clients:
            client.close()


def test_the_backlog_of_a_unix_socket_is_not_known(tmp_path: Path) -> None:
    """The kernel tells it of TCP only."""
    with closing(bind(parse(f"unix:{tmp_path}/s"), "s", backlog=16)) as listener:
        assert listener.backlog() == 0


# --- syslog

LOCAL3_INFO = (19 << 3) + 6


@WORKERS
@pytest.mark.parametrize("family", ["udp", "unix"])
def test_syslog(program: Program, family: str, workers: str) -> None:
    """Log and requests, with facility and prefix; the next generation as well."""
    path = program.folder / "log.sock"
    sock = udp() if family == "udp" else socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with closing(sock):
        if family == "unix":
            sock.bind(str(path))
        address = f"udp://127.0.0.1:{sock.getsockname()[1]}" if family == "udp" else f"unix://{path}#dgram"
        box = Mailbox(sock)
        run(program, "--log-syslog", "--log-syslog-to", address, "--log-syslog-prefix", "shop",
            "--log-syslog-facility", "local3", "-w", workers)  # fmt: skip
        for generation in (1, 2):
            box.wait_for(
                rf"<{LOCAL3_INFO}>gunicorn\.shop\.error: \[\d+\] gen={generation} pid=\d+ serving at http://127.*"
            )
            assert program.get("/version").status == 200
            box.wait_for(rf'<{LOCAL3_INFO}>gunicorn\.shop\.access: \[\d+\] 127\.0\.0\.1 - - .*"GET /version HTTP.*')
            box.said.clear()
            if generation == 1:
                program.restart()
    program.stop()


# --- the logging module's own configuration

CONFIGURED: dict[str, object] = {
    "version": 1,
    "root": {"handlers": []},  # gunicorn adds one with a handler of its own, unless it is given
    "formatters": {"mine": {"format": "MINE %(name)s %(message)s"}},
    "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "mine"}},
    "loggers": {
        name: {"handlers": ["out"], "level": "INFO", "propagate": False}
        for name in ("gunicorn.error", "gunicorn.access")
    },
}
INI = """
[loggers]
keys=root,error,access
[handlers]
keys=out
[formatters]
keys=mine
[logger_root]
handlers=
[logger_error]
handlers=out
propagate=0
qualname=gunicorn.error
[logger_access]
handlers=out
propagate=0
qualname=gunicorn.access
[handler_out]
class=StreamHandler
args=(sys.stdout,)
formatter=mine
[formatter_mine]
format=MINE %(name)s %(message)s
"""
FORMS = {
    "logconfig": ("mine.ini", INI, 'logconfig = "mine.ini"'),
    "logconfig_dict": ("unused", "", f"logconfig_dict = {CONFIGURED!r}"),
    "logconfig_json": ("mine.json", json.dumps(CONFIGURED), 'logconfig_json = "mine.json"'),
}


@pytest.mark.parametrize("form", FORMS)
def test_logging_configured_by_its_own_means(program: Program, form: str) -> None:
    """The user's handlers and formats get log and requests; the identity is in the message, so it is kept."""
    name, content, conf = FORMS[form]
    (program.folder / name).write_text(content)
    (program.folder / "gunicorn.conf.py").write_text(conf)
    run(program)
    for generation in (1, 2):
        program.wait_for(rf"(?m)^MINE gunicorn\.error gen={generation} pid=\d+ serving at ")
        assert program.get(f"/echo/{generation}").status == 200
        program.wait_for(rf'(?m)^MINE gunicorn\.access 127\.0\.0\.1 .*"GET /echo/{generation} HTTP/1\.1" 200')
        if generation == 1:
            program.restart()
    program.stop()


LOGGER = """
import gunicorn.glogging
class Mine(gunicorn.glogging.Logger):
    error_fmt = "MINE %(message)s"
    def info(self, msg, *args):  # and nothing more
        super().info(msg, *args)
    def access(self, resp, req, environ, request_time):
        self.info("seen %s %s %s %s", resp.status, resp.sent, environ["PATH_INFO"], type(request_time).__name__)
"""


@WORKERS
def test_a_logger_class(program: Program, workers: str) -> None:
    """It keeps its format, hears of every request, although no access log is configured, and is asked for no more than
    the messages."""
    (program.folder / "loggers.py").write_text(LOGGER)
    run(program, "--logger-class", "loggers.Mine", "-w", workers)
    assert program.get("/version").body == b"1"
    program.wait_for(r"(?m)^MINE seen 200 OK 1 /version timedelta")
    program.wait_for(r"(?m)^MINE gen=1 pid=\d+ serving at ")
    assert program.stop() == 0


# --- capture_output


def wait_for_line(log: Path, pattern: str) -> None:
    """Wait until the file has the pattern."""
    eventually(lambda: log.exists() and re.search(pattern, log.read_text()), f"no {pattern!r} in {log}")


@WORKERS
def test_capture_output(program: Program, workers: str) -> None:
    """What the application prints, and what any library writes, is in the error log; in the next generation too.

    The terminal gets what was said before the log was opened, and nothing afterwards.
    """
    conf = f'errorlog = "error.log"\ncapture_output = True\nworkers = {workers}\nbind = "unix:s.sock"\n'
    (program.folder / "gunicorn.conf.py").write_text(conf)
    log, path = program.folder / "error.log", program.folder / "s.sock"
    command = [program.python, "-m", "hotswap", "run", "app:app"]
    program.start(command=command, below="sayings.while_imported", ready=False)
    for version in ("1", "2"):
        wait_for_line(log, rf"gen={version} .* serving at")
        assert asking.get(f"unix:{path}", "/speaks").status == 200
        wait_for_line(log, f"printed by {version}\nwritten by {version}\n")
        if version == "1":
            program.deploy(version="2")
            assert hotswap(program, "restart", "--run-dir", str(program.folder / "run" / "hotswap")).returncode == 0
    assert program.text() == "printed while imported\n"
    assert hotswap(program, "stop", "--run-dir", str(program.folder / "run" / "hotswap")).returncode == 0


def test_capture_output_after_logrotate(program: Program) -> None:
    """USR1 moves standard output along."""
    address = f"unix:{program.folder}/s.sock"
    log = program.folder / "error.log"
    command = [program.python, "-m", "hotswap", "run", "app:app", "-b", address, "--error-logfile", "error.log"]
    program.start(command=[*command, "--capture-output"], ready=False)
    wait_for_line(log, "serving at")
    log.rename(program.folder / "rotated")
    program.send(signal.SIGUSR1, program.pid)
    wait_for_line(log, "log files reopened")
    assert asking.get(address, "/speaks").status == 200
    wait_for_line(log, "printed by 1\nwritten by 1\n")
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


# --- what cannot be

WRONG: dict[str, tuple[list[str], str]] = {
    "a directory that is not there": (["--error-logfile", "gone/e.log"], "isn't writable"),
    "for requests": (["--access-logfile", "gone/a.log"], "isn't writable"),
    "no configuration": (["--log-config", "gone.ini"], "log config 'gone.ini' not found"),
    "a facility": (["--log-syslog", "--log-syslog-facility", "local99"], "unknown facility name"),
    "an address": (["--log-syslog", "--log-syslog-to", "somewhere"], "invalid syslog address"),
    "a class": (["--logger-class", "gone.Logger"], "No module named 'gone'"),
    "a dictionary": (["-c", "wrong.py"], "Unable to configure handler 'out': Cannot resolve 'gone.Handler'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_log_that_cannot_be_opened(program: Program, case: str) -> None:
    """One sentence, and exit status 1."""
    arguments, why = WRONG[case]
    broken = {**CONFIGURED, "handlers": {"out": {"class": "gone.Handler"}}}
    (program.folder / "wrong.py").write_text(f"logconfig_dict = {broken!r}")
    (program.folder / "app.py").write_text(PLAIN.read_text())
    command = hotswap(program, "run", "app:app", "-b", "127.0.0.1:0", *arguments)
    assert command.returncode == 1
    assert why in command.stderr
    assert command.stderr.startswith("hotswap run: cannot open the log (")
    assert command.stderr.endswith("correct errorlog, accesslog, syslog, logconfig or logger_class\n")


def test_a_wrong_log_in_a_new_version(program: Program) -> None:
    """The restart fails with the sentence; the old version logs on."""
    (program.folder / "gunicorn.conf.py").write_text('accesslog = "access.log"')
    run(program)
    (program.folder / "gunicorn.conf.py").write_text('accesslog = "gone/access.log"')
    command = hotswap(program, "restart", str(program.pid))
    assert command.returncode == 1
    assert "cannot open the log ('gone/access.log' isn't writable" in command.stderr
    assert program.get("/version").status == 200
    eventually(lambda: "GET /version" in (program.folder / "access.log").read_text())
    assert program.stop() == 0
