"""`hotswap start`: Server::Starter's command line, environment, files and log lines, for a server of any language."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from hotswap.cli.start import lock_pid_file
from tests.asking import connect, get, read_answer, request
from tests.eventually import eventually
from tests.harness import READY, Program
from tests.restart.gates import open_gate, wait_at
from tests.starter.command_servers import PLAIN, SPEAKING, Started, hotswap_start, names_in
from tests.traffic import Traffic


@pytest.fixture
def started(program: Program) -> Started:
    """Nothing runs yet."""
    return Started(program)


def test_a_life(started: Started) -> None:
    """A restart, a death, a stop: by its files, its commands and its lines."""
    program = started.start(PLAIN).program
    assert started.pid_file.read_text() == f"{program.pid}\n"
    first = started.status()[1]
    restarted = started.command("--restart")
    assert restarted.returncode == 0, restarted.stderr
    assert (started.generation(), list(started.status())) == ("2", [2])
    second = started.status()[2]
    os.kill(second, signal.SIGKILL)
    eventually(lambda: list(started.status()) == [3], "it is not replaced")
    third = started.status()[3]
    stopped = started.command("--stop")
    assert stopped.returncode == 0, stopped.stderr
    assert program.wait_status() == 0
    assert names_in(program.folder) == set()
    lines = [line for line in program.text().splitlines() if not line.startswith("begun")]
    assert lines == [
        f"hotswap start (pid:{program.pid}) starting now...",
        f"starting new worker {first}",
        "received HUP, spawning a new worker",
        f"starting new worker {second}",
        f"new worker is now running, sending TERM to old workers:{first}",
        "killing old workers",
        f"old worker {first} died, status:0",
        f"worker {second} died unexpectedly with status:9, restarting",
        f"starting new worker {third}",
        f"received TERM, sending TERM to all workers:{third}",
        f"worker {third} died, status:0",
        "exiting",
    ]


def test_a_broken_version(started: Started) -> None:
    """The old one serves on, `--restart` says so, and the start is tried again until it succeeds."""
    started.program.folder.mkdir(exist_ok=True)
    (started.program.folder / "go").touch()
    # It says when it is ready: on a busy machine a broken one could live as long as the interval.
    program = started.start(SPEAKING).program
    (program.folder / "broken").touch()
    failed = started.command("--restart")
    assert failed.returncode == 1
    assert "has ended with status 1792; generation 1" in failed.stderr
    assert started.generation() == "1"
    program.wait_for(r"new worker \d+ seems to have failed to start, exit status:1792")
    (program.folder / "broken").unlink()
    eventually(lambda: min(started.status()) > 1, "the mended version does not serve")
    assert "status.failed" not in names_in(program.folder)


def test_an_old_failure_is_no_new_one(started: Started) -> None:
    """`--restart` speaks of the start that it has asked for."""
    program = started.start(PLAIN).program
    (program.folder / "status.failed").write_text("7:of another deploy\n")
    restarted = started.command("--restart")
    assert (restarted.returncode, restarted.stderr) == (0, "")
    assert "status.failed" not in names_in(program.folder)


def test_no_connection_is_refused(started: Started) -> None:
    """Three restarts and a death under load."""
    program = started.start(PLAIN).program
    with Traffic(f"unix:{started.path}", {"one-shot": 4}, seconds=30) as traffic:
        for _ in range(3):
            assert started.command("--restart").returncode == 0
    result = traffic.result()
    assert result.failures == {}, result
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


def test_one_that_says_when_it_is_ready(started: Started) -> None:
    """By READY=1 on the notify socket: from then on the interval does not count."""
    started.program.folder.mkdir(exist_ok=True)
    go = started.program.folder / "go"
    go.touch()
    program = started.start(SPEAKING).program
    go.unlink()
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("begun 2")
    # Longer than the interval, which is over in the middle of it.
    with pytest.raises(AssertionError, match="not within"):
        eventually(lambda: "sending TERM" in program.text(), deadline=0.6)
    assert started.generation() == "1"
    go.touch()
    program.wait_for("sending TERM to old workers")
    eventually(lambda: list(started.status()) == [2], "the old one is left")


def test_one_that_never_says_it(started: Started) -> None:
    """It is killed when its time is over, and the old one serves on."""
    started.program.folder.mkdir(exist_ok=True)
    go = started.program.folder / "go"
    go.touch()
    program = started.start(SPEAKING, "--boot-timeout", "0.5").program
    go.unlink()
    program.send(signal.SIGHUP, program.pid)
    program.wait_for(r"new worker \d+ was not ready within 0.5 secs, killing it")
    program.wait_for(r"seems to have failed to start, exit status:9")
    assert started.generation() == "1"


def test_a_drain_deadline(started: Started) -> None:
    """An old worker that does not end is killed."""
    deaf = PLAIN.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
    program = started.start(deaf, "--drain-timeout", "0.3").program
    first = started.status()[1]
    program.send(signal.SIGHUP, program.pid)
    program.wait_for(f"worker {first} did not end within 0.3 secs, killing it")
    program.wait_for(f"old worker {first} died, status:9")
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


def test_signals_that_were_chosen(started: Started) -> None:
    """With SIG or without, in any case."""
    program = started.start(PLAIN, "--signal-on-hup", "sigkill", "--signal-on-term", "Int").program
    first = started.status()[1]
    assert started.command("--restart").returncode == 0
    program.wait_for(f"sending KILL to old workers:{first}\nkilling old workers\n")
    program.send(signal.SIGTERM, program.pid)
    program.wait_for("received TERM, sending INT to all workers:")


def test_an_envdir(started: Started) -> None:
    """It is read again for each worker; a variable whose file is gone is gone."""
    program = started.program
    folder = program.folder / "env"
    folder.mkdir(parents=True)
    (folder / "MOOD").write_text("good\nsecond line\n")
    started.start(PLAIN, "--envdir", str(folder))
    program.wait_for("begun 1 good\n")
    (folder / "MOOD").unlink()
    program.send(signal.SIGHUP, program.pid)
    program.wait_for("begun 2 None\n")


def test_restart_by_time(started: Started) -> None:
    """After the interval, and old workers have their time before they are told."""
    program = started.start(
        PLAIN, "--enable-auto-restart", "--auto-restart-interval", "1", "--kill-old-delay", "0.1"
    ).program
    program.wait_for(r"autorestart triggered \(interval=1\)")
    program.wait_for("sleeping 0.1 secs before killing old workers")


def test_names_and_numbers(program: Program) -> None:
    """What SERVER_STARTER_PORT says: names as typed, all ports before all paths, numbers that were asked for."""
    program.folder.mkdir(exist_ok=True)
    free = free_ports(4)
    path = program.folder / "p.sock"
    options = ["--port", f"{free[0]}=14", "--port", f"127.0.0.1:{free[1]}", "--path", f"{path}=15"]
    options += ["--port", f"[::1]:{free[2]}", "--port", f"127.0.0.1:u{free[3]}=16"]
    shows = ["sh", "-c", 'echo "$SERVER_STARTER_PORT,"; sleep 60']
    program.start(command=[*hotswap_start(), *options, "--", *shows], ready=False)
    said = program.wait_for(r"\n(\S+),\n")[1]
    names = f"{free[0]}=14;127.0.0.1:{free[1]}=N;[::1]:{free[2]}=N;127.0.0.1:{free[3]}=16;{path}=15"
    assert re.sub(r"=(?!1[456])\d+", "=N", said) == names
    assert oct(path.stat().st_mode & 0o777) == "0o777"


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, of all addresses."""
    with_port = [socket.socket() for _ in range(count)]
    try:
        for sock in with_port:
            sock.bind(("0.0.0.0", 0))
        return [sock.getsockname()[1] for sock in with_port]
    finally:
        for sock in with_port:
            sock.close()


def test_a_hotswap_program_moves_its_connections(program: Program) -> None:
    """Under one starter as by itself: a kept connection goes from worker to worker."""
    options = ["--port", "127.0.0.1:0", "--interval", "0.2", "--", program.python, str(program.script)]
    program.start(command=[*hotswap_start(), *options])
    with connect(program.address) as client:
        for generation in (1, 2, 3):
            client.sendall(request("/"))
            answer = read_answer(client)
            assert (answer.status, answer.headers["x-generation"]) == (200, str(generation))
            if generation < 3:
                mark = program.mark()
                program.send(signal.SIGHUP, program.pid)
                program.wait_for(READY, since=mark)
                program.wait_for(f"gen={generation} .*retired", since=mark)
    assert "draining" not in program.text()
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0
    program.wait_for("gen=3 .*stopped")


def test_an_old_worker_finishes(program: Program) -> None:
    """It retires while it answers what it has, and a stop of the server waits for it."""
    options = ["--port", "127.0.0.1:0", "--interval", "0.2", "--", program.python, str(program.script)]
    program.start(command=[*hotswap_start(), *options])
    with connect(program.address) as client:
        client.sendall(request("/gated/go"))
        wait_at(program, "go")
        program.send(signal.SIGHUP, program.pid)
        program.wait_for("retiring to it")
        program.send(signal.SIGTERM, program.pid)
        program.wait_for("sending TERM to all workers")
        open_gate(program, "go")
        assert read_answer(client).status == 200
    assert program.wait_status() == 0


def test_the_starter_is_killed(started: Started) -> None:
    """Nothing stays, and the port can be bound."""
    program = started.start(PLAIN).program
    worker = started.status()[1]
    program.send(signal.SIGKILL, program.pid)
    program.wait_gone(worker)
    with pytest.raises(ConnectionRefusedError):
        get(f"unix:{started.path}", "/")
    # Its files are there still, and say nothing wrong.
    assert started.command("--stop").stderr == (
        f"hotswap start: the server of the pid file {started.pid_file} (pid {program.pid}) is not running: start it\n"
    )
    started.start(PLAIN)
    assert started.generation() == "1"


def test_a_stop_does_not_wait_for_the_next_server(started: Started) -> None:
    """One may wait for the lock of the pid file, and has it as soon as this server is gone."""
    started.start(PLAIN)
    waits = subprocess.Popen(["flock", str(started.pid_file), "cat"], stdin=subprocess.PIPE, start_new_session=True)
    waiting = re.compile(rf"-> FLOCK\s+ADVISORY\s+WRITE {waits.pid} ")  # proc(5), /proc/locks
    eventually(lambda: waiting.search(Path("/proc/locks").read_text()), "it does not wait for the lock")
    stopped = started.command("--stop")
    assert stopped.returncode == 0, stopped.stderr
    assert waits.poll() is None
    waits.communicate(timeout=20)


def test_a_pid_file_that_is_removed_before_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends removes it, and then gives up its lock: that of a file without a name keeps no server away."""
    pid_file, lock = tmp_path / "pid", fcntl.flock

    def end_before(fd: int, operation: int) -> None:
        monkeypatch.undo()
        pid_file.unlink()
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", end_before)
    with open(lock_pid_file(str(pid_file))) as locked:
        assert os.path.samestat(os.fstat(locked.fileno()), pid_file.stat())


def test_in_the_background(started: Started, program: Program) -> None:
    """Everything that can fail has failed before the shell has its prompt."""
    log = program.folder / "log"
    program.folder.mkdir(exist_ok=True)
    files = ["--pid-file", str(started.pid_file), "--status-file", str(started.status_file), "--log-file", str(log)]
    (program.folder / "server.py").write_text(PLAIN)
    words = [*hotswap_start(), *files, "--path", str(started.path), "--interval", "0.2", "--daemonize"]
    command = [*words, "--", program.python, "server.py"]
    environ = program.environment({})
    done = subprocess.run(command, cwd=program.folder, env=environ, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    eventually(started.status_file.exists, "no worker was accepted")
    assert started.generation() == "1"
    again = subprocess.run(command, cwd=program.folder, env=environ, capture_output=True, text=True, timeout=20)
    assert again.returncode == 1
    assert f"the pid file {started.pid_file} is in use by pid {started.pid_file.read_text().strip()}" in again.stderr
    assert started.command("--stop").returncode == 0
    assert "exiting" in log.read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--port", "nonsense", "--", "true"], "--port 'nonsense' is no port: write PORT, HOST:PORT or [IPV6]:PORT"),
        (["--signal-on-hup", "never", "--", "true"], "there is no signal 'never'"),
        (["--log-file", "/nowhere/log", "--", "true"], "cannot open the log file /nowhere/log (no such file"),
        (["--pid-file", "/nowhere/pid", "--", "true"], "cannot open the pid file /nowhere/pid (no such file"),
        (["--restart"], "--restart needs --pid-file and --status-file"),
        (["--stop"], "--stop needs --pid-file"),
        (["--daemonize", "--", "true"], "--daemonize needs --log-file"),
        ([], "no command is given"),
    ],
)
def test_mistakes(words: list[str], says: str, live: None) -> None:
    """Each is a sentence."""
    done = subprocess.run([*hotswap_start(), *words], capture_output=True, text=True, timeout=20)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("prefix", "ignored"), [([], set()), (["nohup"], {"SIGHUP"})])
def test_signals_reach_the_command(program: Program, prefix: list[str], ignored: set[str]) -> None:
    """None is blocked in it, for it may want any of them; and it ignores what it would ignore without the starter."""
    asks = (
        "import signal; names = 'SIGHUP SIGUSR1 SIGUSR2 SIGTTIN SIGTTOU SIGTERM SIGINT SIGQUIT SIGTSTP'.split();"
        "print('blocked', signal.pthread_sigmask(signal.SIG_BLOCK, []),"
        " 'ignored', {name for name in names if signal.getsignal(getattr(signal, name)) is signal.SIG_IGN}, '.',"
        " flush=True); signal.pause()"
    )
    command = [*prefix, *hotswap_start(), "--port", "127.0.0.1:0", "--", program.python, "-c", asks]
    program.start(command=command, ready=False)
    program.wait_for(re.escape(f"blocked set() ignored {ignored} ."))
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0


STARLET = pytest.mark.needs("plackup", "starlet")


@STARLET
def test_starlet(program: Program) -> None:
    """A Perl server that Server::Starter was made for: no request fails over two restarts."""
    program.folder.mkdir(exist_ok=True)
    (program.folder / "app.psgi").write_text("sub { [200, ['Content-Type', 'text/plain'], [$_[0]{REQUEST_URI}]] }")
    path = program.folder / "s.sock"
    starlet = ["plackup", "-E", "deployment", "-s", "Starlet", "--max-workers=2", "app.psgi"]
    options = ["--path", str(path), "--status-file", "status", "--pid-file", "pid"]
    program.start(command=[*hotswap_start(), *options, "--", *starlet], ready=False)
    program.wait_for("starting new worker")
    eventually((program.folder / "status").exists, "no worker was accepted")
    with Traffic(f"unix:{path}", {"one-shot": 4}, seconds=30) as traffic:
        for _ in range(2):
            mark = program.mark()
            program.send(signal.SIGHUP, program.pid)
            program.wait_for("old worker .* died", since=mark)
    result = traffic.result()
    assert result.failures == {}, result
    program.send(signal.SIGTERM, program.pid)
    assert program.wait_status() == 0
