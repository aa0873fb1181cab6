"""ASGI applications: seen for what they are, served by a worker that can, started up and shut down as they ask for."""

from __future__ import annotations

import functools
import sys
from typing import Any

import pytest

from hotswap import Server, UsageError
from hotswap.apps.interface import Interface, interface_of
from hotswap.dev import werkzeug_server
from tests.apps.asgi2 import Asgi2
from tests.asking import connect, read_answer, request
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import Program
from tests.processes import alive, arguments
from tests.restart.clusters import workers
from tests.restart.test_broken_deploys import restart
from tests.restart.worker_classes import ENGINE, UVICORN
from tests.restart.worker_classes import start as start_class

GUNICORNS = ["asgi", UVICORN]
ASGI_CLASSES = [ENGINE, *GUNICORNS]


def start(program: Program, worker_class: str, **settings: Any) -> Program:
    """Starts the ASGI program, with workers of this class."""
    return start_class(program, worker_class, app="asgi", **settings)


def run(program: Program, *options: str, app: str = "asgi", ready: bool = True) -> Program:
    """`hotswap run` with the module."""
    argv = [sys.executable, "-m", "hotswap", "run", "-b", "127.0.0.1:0", *options, "app:app"]
    return program.start(command=argv, app=app, ready=ready)


# What is seen.


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application as a function."""


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    """A WSGI application as a function."""
    return []


class Asgi:
    """An ASGI application, or middleware, as an object."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers nothing."""


class Wsgi:
    """A WSGI application, or middleware, as an object."""

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        """Answers nothing."""
        return []

    async def helper(self) -> None:
        """Something else that is asynchronous."""


class Chosen:
    """A middleware that chooses its `__call__` when it is made."""

    __slots__ = ("__call__",)

    def __init__(self, app: Any) -> None:
        self.__call__ = app


def returns_awaitable(scope: Any, receive: Any, send: Any) -> Any:
    """Not `async def`, and yet ASGI."""
    return asgi(scope, receive, send)


def with_options(option: str, environ: Any, start_response: Any, *, more: bool = False) -> list[bytes]:
    """WSGI once its first argument is given."""
    return []


@functools.wraps(asgi)
def wrapped_asgi(*arguments: Any) -> Any:
    """A wrapper that says what it wraps."""
    return asgi(*arguments)


@functools.wraps(asgi)
def adapter(environ: Any, start_response: Any) -> list[bytes]:
    """WSGI around ASGI, which copies its name."""
    return []


def anything(*arguments: Any) -> Any:
    """Its signature says neither."""


def frameworks() -> dict[str, tuple[Any, Interface]]:
    """Applications of frameworks, and adapters between the two."""
    import quart
    from asgiref.wsgi import WsgiToAsgi
    from django.conf import settings
    from django.core.asgi import ASGIHandler
    from django.core.wsgi import WSGIHandler
    from fastapi import FastAPI
    from flask import Flask
    from starlette.applications import Starlette
    from starlette.middleware.gzip import GZipMiddleware
    from werkzeug.middleware.proxy_fix import ProxyFix

    if not settings.configured:
        settings.configure()
    flask, fastapi = Flask("x"), FastAPI()
    return {
        "fastapi": (fastapi, Interface.ASGI),
        "starlette": (Starlette(), Interface.ASGI),
        "starlette middleware": (GZipMiddleware(fastapi), Interface.ASGI),
        "quart": (quart.Quart("x"), Interface.ASGI),
        "django asgi": (ASGIHandler(), Interface.ASGI),
        "asgiref's adapter": (WsgiToAsgi(flask), Interface.ASGI),  # type: ignore[no-untyped-call]
        "flask": (flask, Interface.WSGI),
        "flask middleware": (ProxyFix(flask), Interface.WSGI),
        "django wsgi": (WSGIHandler(), Interface.WSGI),
    }


PLAIN_ONES: dict[str, tuple[Any, Interface]] = {
    "function": (asgi, Interface.ASGI),
    "partial": (functools.partial(asgi), Interface.ASGI),
    "object": (Asgi(), Interface.ASGI),
    "bound method": (Asgi().__call__, Interface.ASGI),
    "chosen asgi": (Chosen(asgi), Interface.ASGI),
    "by its arguments": (returns_awaitable, Interface.ASGI),
    "wrapped": (wrapped_asgi, Interface.ASGI),
    "asgi 2": (Asgi2, Interface.ASGI2),
    "wsgi function": (wsgi, Interface.WSGI),
    "wsgi partial": (functools.partial(with_options, "x"), Interface.WSGI),
    "wsgi object": (Wsgi(), Interface.WSGI),
    "wsgi lambda": (lambda environ, start: [], Interface.WSGI),
    "chosen wsgi": (Chosen(wsgi), Interface.WSGI),
    "adapter": (adapter, Interface.WSGI),
    "anything": (anything, Interface.UNKNOWN),
    "built in": (dict, Interface.UNKNOWN),
}


@pytest.mark.parametrize("name", PLAIN_ONES)
def test_what_an_application_is(name: str) -> None:
    """From how it can be called, without calling it."""
    app, interface = PLAIN_ONES[name]
    assert interface_of(app) is interface


def test_what_frameworks_make() -> None:
    """None of them is taken for the other."""
    for name, (app, interface) in frameworks().items():
        assert interface_of(app) is interface, name


@pytest.mark.parametrize(
    ("app", "settings", "says"),
    [
        (asgi, {"worker_class": "gthread"}, "serves WSGI: leave worker_class out, or say -k asgi"),
        (Asgi(), {"worker_class": "sync", "workers": 2}, "Asgi object is an ASGI application"),
        (wsgi, {"worker_class": "asgi"}, "serves ASGI: leave worker_class out, or wrap it (asgiref.wsgi.WsgiToAsgi)"),
        (wsgi, {"worker_class": UVICORN}, "test_asgi.wsgi is a WSGI application"),
    ],
)
def test_the_wrong_worker_is_an_error(app: Any, settings: dict[str, Any], says: str) -> None:
    """Which says what was found, and what to do."""
    with pytest.raises(UsageError) as found:
        Server(app, "127.0.0.1:0", **settings)
    assert says in str(found.value)


def test_one_server_serves_one_kind() -> None:
    """Several applications at several addresses are all WSGI, or all ASGI."""
    with pytest.raises(UsageError) as found:
        Server({"127.0.0.1:0": asgi, "localhost:0": wsgi})
    assert "test_asgi.asgi is an ASGI application, " in str(found.value)
    assert "test_asgi.wsgi a WSGI application, and one server serves one kind: wrap the latter" in str(found.value)


def test_where_there_is_no_epoll() -> None:
    """werkzeug's server speaks WSGI only."""
    with pytest.raises(UsageError, match="werkzeug's server cannot serve an ASGI application"):
        werkzeug_server.WerkzeugServer(asgi, "127.0.0.1:0")


def test_one_that_nobody_can_tell_is_wsgi_unless_told() -> None:
    """It is served as it is asked for."""
    assert Server(anything, "127.0.0.1:0").cfg.worker_class_str == "hotswap"
    assert Server(anything, "127.0.0.1:0", worker_class="asgi").cfg.workers == 1


# What is served.


SERVED = {
    "single": ([], 0, ""),
    "workers": (["-w", "2"], 2, ""),
    "no preload": (["-w", "2", "--no-preload"], 2, ""),
    "gunicorn's": (["-k", "asgi"], 1, "gunicorn/asgi"),
    "uvicorn's": (["-k", UVICORN], 1, "uvicorn"),
}


@pytest.mark.parametrize("case", SERVED)
def test_hotswap_run_sees_it(program: Program, case: str) -> None:
    """hotswap's own engine, in one process, unless told otherwise; and over a restart."""
    options, number, server = SERVED[case]
    run(program, *options)
    assert len(workers(program)) == number
    if server:
        assert program.get("/version").headers["server"] == server
    program.restart()
    assert program.get("/version").status == 200
    assert len(program.wait_for(r"(?s)startup in \d+\n.*startup in \d+\n")[0]) > 0
    program.stop()


def test_serve_sees_it(program: Program) -> None:
    """`hotswap.serve(asgi_app)`, in this very process, where nothing is forked."""
    program.start(app="asgi")
    assert workers(program) == []
    assert program.get("/pid").body == str(program.pid).encode()
    program.wait_for(r"for http://127\.0\.0\.1:\d+: an event loop in this process, in /")
    status = hotswap(program, "status")
    assert str(program.pid) in status.stdout, status.stdout
    assert program.stop() == 0


def test_serve_with_gunicorns(program: Program) -> None:
    """By its name, in a process that says so in its title."""
    program.start(app="asgi", worker_class="asgi")
    (worker,) = workers(program)
    assert program.get("/pid").body == str(worker).encode()
    assert "[serving] worker 1" in " ".join(arguments(worker))
    program.wait_for("gunicorn's class ASGIWorker: 1 of them")
    assert program.stop() == 0


@pytest.mark.parametrize("settings", [{}, {"workers": 1}, {"worker_class": "asgi", "asgi_lifespan": "off"}])
def test_asgi_2(program: Program, settings: dict[str, Any]) -> None:
    """Called twice, which no server does any more."""
    program.start(app="asgi2", **settings)
    assert program.get("/").body == b"two calls"
    assert program.stop() == 0


@pytest.mark.parametrize(
    ("options", "app", "says"),
    [
        (["-k", "asgi", "--no-preload"], "plain", r"is a WSGI application, and worker_class = 'asgi'"),
        (["-k", "gthread"], "asgi", r"worker_class = 'gthread' \(command line\) serves WSGI"),
        (["--check-config", "-k", "gthread"], "asgi", r"worker_class = 'gthread' \(command line\) serves WSGI"),
        (["-k", "gthreat"], "plain", r"worker_class = 'gthreat' \(command line\) cannot be loaded"),
    ],
)
def test_errors_of_hotswap_run(program: Program, options: list[str], app: str, says: str) -> None:
    """Also where the application is loaded in the workers: it is the reason why the boot fails."""
    run(program, *options, app=app, ready=False)
    assert program.wait_status() == 1
    program.wait_for(says)
    assert "Traceback" not in program.text()


# Its life.


@pytest.mark.parametrize("worker_class", ASGI_CLASSES)
def test_startup_and_shutdown(program: Program, worker_class: str) -> None:
    """Each worker starts the application up before it is ready, and shuts it down when it retires, or stops."""
    start(program, worker_class)
    first = workers(program)
    for pid in first:
        assert f"startup in {pid}\n" in program.text()
    program.restart()
    for pid in first:
        program.wait_for(f"shutdown in {pid}\n")
    second = workers(program)
    program.stop()
    for pid in second:
        assert f"shutdown in {pid}\n" in program.text()


@pytest.mark.parametrize("worker_class", ASGI_CLASSES)
def test_a_startup_that_fails_fails_the_restart(program: Program, worker_class: str) -> None:
    """It is a part of loading: the version before serves on, and the reason is told."""
    start(program, worker_class)
    before = workers(program)
    program.deploy(below=("startups.choose", "fails"))
    command = restart(program)
    assert command.returncode == 1
    assert "the startup of the application failed (ASGI lifespan)" in command.stderr
    assert "no database" in command.stderr
    assert workers(program) == before
    assert program.get("/version").body == b"1"
    assert program.stop() == 0


@pytest.mark.parametrize("worker_class", ASGI_CLASSES)
def test_a_startup_that_takes_long_holds_the_restart_up(program: Program, worker_class: str) -> None:
    """No worker of the new version accepts, and the old one answers, until it is complete in every worker."""
    start(program, worker_class, below=("startups.choose", "waits_for_go"))
    (program.folder / "slow").touch()
    program.deploy(version="2")
    program.hup()
    program.wait_for("(?s)waiting in.*waiting in")
    assert {program.get("/version").body for _ in range(30)} == {b"1"}
    (program.folder / "go").touch()
    program.wait_generation(2)
    eventually(lambda: program.get("/version").body == b"2", "generation 2 answers")
    program.stop()


@pytest.mark.parametrize("worker_class", ASGI_CLASSES)
def test_an_application_without_lifespan(program: Program, worker_class: str) -> None:
    """As Django's: it raises an exception for what it does not know, and is served."""
    start(program, worker_class, below=("startups.choose", "is_unknown"))
    assert program.get("/version").body == b"1"
    program.restart()
    assert program.get("/version").status == 200
    program.stop()


def test_a_class_of_ones_own(program: Program) -> None:
    """Made from uvicorn's worker, as its documentation says; here one that calls no startup."""
    program.start(app="asgi", worker_class="tests.apps.uvicorn_workers.WithoutLifespan")
    assert program.get("/version").headers["server"] == "uvicorn"
    program.restart()
    assert program.get("/version").status == 200
    assert "startup in" not in program.text()
    program.stop()


@pytest.mark.parametrize("worker_class", [*GUNICORNS, "uvicorn_worker.UvicornH11Worker"])
def test_a_first_request_on_its_way(program: Program, worker_class: str) -> None:
    """A client that has connected, and asks only when the worker leaves already, is answered."""
    start(program, worker_class, workers=1)
    (worker,) = workers(program)
    with connect(program.address) as client:
        program.get("/version")  # accepted after the other one
        program.restart()
        program.wait_for("(?i)shutting down" if worker_class != "gthread" else "serves: retiring")
        client.sendall(request("/version", "Connection: close"))
        assert read_answer(client).headers["x-pid"] == str(worker)
    eventually(lambda: not alive(worker), "it has left")
    program.stop()


@pytest.mark.parametrize("worker_class", ["gthread", "asgi", UVICORN])
def test_an_idle_connection_is_answered_once_more(program: Program, worker_class: str) -> None:
    """As the engine does where it cannot hand over: the answer says that it is the last."""
    # gunicorn's own keepalive is 2 s, and the successor may take longer to boot.
    start_class(program, worker_class, workers=1, keepalive=75)
    (worker,) = workers(program)
    with connect(program.address) as client:
        client.sendall(request("/version"))
        assert not read_answer(client).closes
        program.restart()
        program.wait_for("(?i)shutting down" if worker_class != "gthread" else "serves: retiring")
        client.sendall(request("/version"))
        answer = read_answer(client)
        assert (answer.headers["x-pid"], answer.closes) == (str(worker), True)
    program.stop()


def test_a_stop_cuts_what_stays_and_shuts_down(program: Program) -> None:
    """A request that outlasts graceful_timeout is cut a little before it: the application is shut down all the same."""
    start(program, "asgi", workers=1, graceful_timeout=3)
    (worker,) = workers(program)
    with connect(program.address) as client:
        client.sendall(request("/slow/30"))
        program.wait_for("slow 30 began")
        assert program.stop() == 0
    assert f"shutdown in {worker}\n" in program.text()
