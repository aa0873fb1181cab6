"""`hotswap start [options] -- command`: Server::Starter's command line, for a server of any language."""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import signal
import socket
from collections.abc import Sequence

from hotswap.cli import arguments
from hotswap.cli.exit_status import DONE
from hotswap.errors import HotswapError
from hotswap.restart.bootstrap import THIS_PROCESS
from hotswap.starter.becoming import become_command_starter
from hotswap.starter.start_options import StartOptions
from hotswap.system import unix_socket_file
from hotswap.system.addresses import parse

#: `[HOST:]PORT[=FD]`, where a port that begins with u is one of UDP; as Server::Starter reads it.
_PORT = re.compile(r"\s*(?:\[?\s*(?P<host>[^\]]*?)\s*\]?\s*:\s*)?(?P<udp>u?)(?P<port>\d+)(?:\s*=(?P<fd>\d+))?\s*")
_PATH = re.compile(r"(?P<path>.+?)(?:=(?P<fd>\d+))?")


class StartError(HotswapError):
    """`hotswap start` cannot do what it was told."""


DESCRIPTION = (
    "Run a server of any language behind a process whose pid stays, and which passes it listening sockets. SIGHUP "
    "replaces the server by its next version. Options and environment are Server::Starter's."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `hotswap start` takes."""
    add = parser.add_argument
    add("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="the server and its arguments")
    add("--port", action="append", default=[], metavar="[HOST:]PORT[=FD]", help="listen there; uPORT: UDP; repeatable")
    add("--path", action="append", default=[], metavar="PATH[=FD]", help="listen at this unix socket; repeatable")
    add("--interval", type=float, default=1.0, metavar="SECONDS", help="a worker that lives so long serves (default 1)")
    add("--boot-timeout", type=float, default=60.0, metavar="SECONDS", help="for workers that say when they are ready")
    add(
        "--drain-timeout",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="then old workers are killed (default: never)",
    )
    add("--log-file", metavar="FILE|'| CMD'", help="standard output and error go there")
    add("--pid-file", metavar="FILE", help="locked as long as this server runs")
    add("--status-file", metavar="FILE", help="a line GENERATION:PID for each worker")
    add("--dir", metavar="DIR", help="the directory in which the server is started")
    add("--signal-on-hup", default="TERM", metavar="SIGNAL", help="for old workers, at a restart (default TERM)")
    add("--signal-on-term", default="TERM", metavar="SIGNAL", help="for all workers, at a stop (default TERM)")
    add("--backlog", type=int, default=socket.SOMAXCONN, metavar="N", help="of listen(2)")
    add("--envdir", metavar="DIR", help="a directory of environment variables, read anew for each worker")
    add("--enable-auto-restart", action="store_true", help="restart by time")
    add("--auto-restart-interval", metavar="SECONDS", help="how often (default 360)")
    add(
        "--kill-old-delay",
        metavar="SECONDS",
        help="signal old workers so much later (default 0, or 5)",
    )
    add("--daemonize", action="store_true", help="go into the background, once all sockets are bound")
    add("--restart", action="store_true", help="restart the server of --pid-file and --status-file, and wait for that")
    add("--stop", action="store_true", help="stop the server of --pid-file, and wait for that")


def main(words: Sequence[str]) -> int:
    """Carry out `hotswap start WORDS`; does not return where it starts a server. Raises HotswapError."""
    parser = arguments.parser("start", DESCRIPTION, add_arguments)
    given = parser.parse_args(words)
    if given.restart or given.stop:
        # Imported here: a start need not wait for it.
        from hotswap.cli import start_client

        if given.restart:
            return start_client.restart(given.pid_file, given.status_file)
        return start_client.stop(given.pid_file)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        parser.error("no command is given: hotswap start [options] -- command ...")
    if given.daemonize and not given.log_file:
        parser.error("--daemonize needs --log-file, for there is no terminal to print on")
    return _start(given, command)


def _start(given: argparse.Namespace, command: Sequence[str]) -> int:
    environ = {**THIS_PROCESS.origin.environ, **_variables(given)}
    hup, term = _signal_number(given.signal_on_hup), _signal_number(given.signal_on_term)
    log_fd = _open_log(given.log_file) if given.log_file else -1
    pid_fd = lock_pid_file(given.pid_file) if given.pid_file else -1
    sockets = [_bind(text, given.backlog) for text in given.port]
    sockets += [_bind_path(text, given.backlog) for text in given.path]
    if log_fd >= 0:
        for fd in (1, 2):
            os.dup2(log_fd, fd)
        os.close(log_fd)
    if given.daemonize:
        _daemonize(keeps_stdin=any(fd == 0 for _, fd in sockets))
    if pid_fd >= 0:
        os.ftruncate(pid_fd, 0)
        os.write(pid_fd, b"%d\n" % os.getpid())
    options = StartOptions(
        command=tuple(command),
        environ=environ,
        directory=os.path.abspath(given.dir or "."),
        sockets=tuple(sockets),
        socket_paths=tuple(os.path.abspath(_path_of(text)[0]) for text in given.path),
        interval_s=given.interval,
        signal_on_hup=hup,
        signal_on_term=term,
        status_file=os.path.abspath(given.status_file) if given.status_file else "",
        pid_file=os.path.abspath(given.pid_file) if given.pid_file else "",
        pid_fd=pid_fd,
        boot_timeout_s=given.boot_timeout,
        drain_timeout_s=given.drain_timeout,
    )
    become_command_starter(options, command)


def _variables(given: argparse.Namespace) -> dict[str, str]:
    """What Server::Starter puts into the environment, where the option is given; each may stand there already."""
    found = {
        "ENVDIR": os.path.abspath(given.envdir) if given.envdir else None,
        "ENABLE_AUTO_RESTART": "1" if given.enable_auto_restart else None,
        "KILL_OLD_DELAY": given.kill_old_delay,
        "AUTO_RESTART_INTERVAL": given.auto_restart_interval,
    }
    return {name: value for name, value in found.items() if value is not None}


def _signal_number(text: str) -> int:
    name = text.upper().removeprefix("SIG")
    try:
        return signal.Signals[f"SIG{name}"]
    except KeyError:
        raise StartError(f"there is no signal {text!r}: name one such as TERM or QUIT") from None


def _open_log(where: str) -> int:
    """A descriptor of the file, or of a pipe to the command behind a `|`. Raises StartError."""
    if where.lstrip().startswith("|"):
        import subprocess

        process = subprocess.Popen(["sh", "-c", where.lstrip()[1:]], stdin=subprocess.PIPE)
        assert process.stdin is not None
        # The object would close it when it is forgotten.
        return os.dup(process.stdin.fileno())
    try:
        return os.open(where, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StartError(f"cannot open the log file {where} ({_reason(error)}): choose another path") from error


def lock_pid_file(path: str) -> int:
    """The descriptor whose lock lasts as long as the starter does. Raises StartError if another one has it."""
    while not _is_at(path, fd := _locked(path)):
        # A server that ends has removed it before the lock was ours.
        os.close(fd)
    return fd


def _is_at(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _locked(path: str) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StartError(f"cannot open the pid file {path} ({_reason(error)}): choose another path") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(fd, 64).decode(errors="replace").strip() or "another process"
        raise StartError(
            f"the pid file {path} is in use by pid {pid}: choose another path, or stop that server with "
            f"hotswap start --stop --pid-file {path}"
        ) from None
    return fd


def _bind(text: str, backlog: int) -> tuple[str, int]:
    """Bind what --port says; its name for SERVER_STARTER_PORT, and its descriptor. Raises StartError."""
    found = _PORT.fullmatch(text)
    if found is None:
        raise StartError(f"--port {text!r} is no port: write PORT, HOST:PORT or [IPV6]:PORT, with =FD or without")
    host, port = found["host"], int(found["port"])
    family = socket.AF_INET6 if host is not None and ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM if found["udp"] else socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host or "0.0.0.0", port))
        if not found["udp"]:
            sock.listen(backlog)
    except (OSError, OverflowError) as error:
        reason = _reason(error) if isinstance(error, OSError) else str(error)
        raise StartError(f"cannot bind {text} ({reason}): choose another port, or stop what has it") from error
    shown = str(port) if host is None else f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"
    return shown, _numbered(sock, found["fd"])


def _bind_path(text: str, backlog: int) -> tuple[str, int]:
    """Bind what --path says; mode 0777, as Server::Starter. Raises StartError, and BindError if it is in use."""
    path, number = _path_of(text)
    unix_socket_file.remove_stale(parse(f"unix:{path}"))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0)
    try:
        sock.bind(path)
        sock.listen(backlog)
    except OSError as error:
        raise StartError(f"cannot bind {path} ({_reason(error)}): choose another path") from error
    finally:
        os.umask(before)
    return path, _numbered(sock, number)


def _path_of(text: str) -> tuple[str, str | None]:
    found = _PATH.fullmatch(text)
    if found is None:
        raise StartError("--path is empty: name a path")
    return found["path"], found["fd"]


def _numbered(sock: socket.socket, wanted: str | None) -> int:
    """The descriptor, which has the number that was asked for."""
    if wanted is None:
        return sock.detach()
    number = int(wanted)
    if number != sock.fileno():
        os.dup2(sock.fileno(), number)
        sock.close()
    else:
        sock.detach()
    return number


def _daemonize(*, keeps_stdin: bool) -> None:
    """Fork, setsid, fork, as Server::Starter does, once everything is bound; the directory stays."""
    for leads in (True, False):
        if os.fork():
            os._exit(DONE)
        if leads:
            os.setsid()
    if not keeps_stdin:
        with open(os.devnull, "rb") as null:
            os.dup2(null.fileno(), 0)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
