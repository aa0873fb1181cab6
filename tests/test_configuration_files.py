"""`gunicorn.conf.py`, variables and the command line, seen from outside: what is served, and what hooks are given."""

from __future__ import annotations

import json
import os
import shutil
import stat

import pytest

from tests import asking
from tests.asking import connect, read_answer, request
from tests.commanding import hotswap
from tests.eventually import eventually
from tests.harness import PLAIN, Program
from tests.restart.clusters import workers


def run(program: Program, *arguments: str, conf: str | None = None, environ: dict[str, str] | None = None) -> Program:
    """`hotswap run` with the application of the tests and a conf file, which it finds by its name."""
    if conf is not None:
        program.write(program.folder / "gunicorn.conf.py", conf)
    command = [program.python, "-m", "hotswap", "run", "app:app", *arguments]
    return program.start(command=command, environ=environ)


# --- precedence


def test_the_order_of_precedence(program: Program) -> None:
    """The command line wins over GUNICORN_CMD_ARGS, that over the conf file, and that over WEB_CONCURRENCY."""
    environ = {"GUNICORN_CMD_ARGS": "-w 2 -e B=variable -e C=variable -b 127.0.0.1:0", "WEB_CONCURRENCY": "4"}
    conf = 'bind = "127.0.0.1:1"\nworkers = 3\nraw_env = ["A=file", "B=file"]\n'
    run(program, "-w", "1", conf=conf, environ=environ)
    assert len(workers(program)) == 1
    found = json.loads(program.get("/env").body)
    assert [found.get(name) for name in "ABC"] == [None, "variable", "variable"]
    assert program.stop() == 0


def test_web_concurrency(program: Program) -> None:
    """A platform says how many workers; the conf file does not."""
    run(program, "-b", "127.0.0.1:0", environ={"WEB_CONCURRENCY": "2"})
    assert len(workers(program)) == 2
    assert program.stop() == 0


# --- another conf file in the next generation


def test_a_conf_file_changed_between_generations(program: Program) -> None:
    """Addresses, threads, variables, access log, hooks: the next generation has what the file says then."""
    log = [program.folder / f"access.{number}.log" for number in range(3)]
    old, new = program.folder / "old.sock", program.folder / "new.sock"
    conf = 'bind = ["127.0.0.1:0", "unix:{}"]\nthreads = {}\nraw_env = ["WHO={}"]\naccesslog = "{}"\n'
    run(program, conf=conf.format(old, 2, "one", log[1]))
    first = workers(program), program.get("/env").body
    assert json.loads(first[1])["WHO"] == "one"
    with connect(program.address) as client, connect(f"unix:{old}") as gone:
        for sock in (client, gone):
            sock.sendall(request("/version"))
            assert read_answer(sock).body == b"1"
        program.write(program.folder / "gunicorn.conf.py", conf.format(new, 3, "two", log[2]))
        program.restart()
        client.sendall(request("/env"))
        assert json.loads(read_answer(client).body)["WHO"] == "two"
        assert asking.get(f"unix:{new}", "/version").body == b"1"
    eventually(lambda: "GET /version" in log[2].read_text())
    assert log[1].read_text().count("\n") == 3
    program.settle()
    assert not old.exists()
    assert program.stop() == 0


# --- hooks

HOOKS = r"""
import json, os
def say(name, arbiter, *more):
    words = [name, os.getpid() == arbiter.pid, arbiter.cfg.proc_name, *more]
    os.write(1, ("hook " + json.dumps(words) + "\n").encode())
bind = ["127.0.0.1:0", "unix:s.sock"]
proc_name = "shop"
def on_starting(server):
    say("on_starting", server, server.num_workers, server.address, [str(l) for l in server.LISTENERS])
def when_ready(server):
    server.log.info("ready with %d", len(server.WORKERS))
    server.log.critical("it is critical")
    listeners = [(str(l), l.getsockname()[0] if "http" in str(l) else "", l.fileno() > 2) for l in server.LISTENERS]
    say("when_ready", server, server.num_workers, listeners, callable(server.app.wsgi()))
def on_reload(server): say("on_reload", server)
def on_exit(server): say("on_exit", server)
"""


@pytest.mark.parametrize("number", ["0", "2"])
def test_the_servers_hooks(program: Program, number: str) -> None:
    """Each at its time, in the server process, with what stands for gunicorn's arbiter."""
    run(program, "-w", number, conf=HOOKS)
    program.wait_for('hook ."when_ready"')
    program.restart()
    program.wait_for('hook ."on_exit"')
    said = [json.loads(line.removeprefix("hook ")) for line in program.text().splitlines() if line.startswith("hook ")]
    listeners = [[program.url, "127.0.0.1", True], ["unix:s.sock", "", True]]
    starting = ["on_starting", True, "shop", 0, [["127.0.0.1", 0], "s.sock"], []]
    ready = ["when_ready", True, "shop", int(number), listeners, True]
    on_exit = said.index(["on_exit", True, "shop"])
    assert said[:on_exit] == [starting, ready, ["on_reload", True, "shop"], starting, ready]
    program.wait_for(rf"gen=1 pid={program.pid} ready with {number}\n")
    program.wait_for(rf"gen=1 pid={program.pid} it is critical\n")
    program.stop()


def test_what_the_arbiter_has_not(program: Program) -> None:
    """A hook that wants more is told what there is; the boot fails, as with any hook that raises."""
    conf = "def when_ready(server): server.reexec()\n"
    run(program, "-b", "127.0.0.1:0", conf=conf)
    sentence = "hotswap has no gunicorn Arbiter, and what stands for it has no 'reexec': "
    program.wait_for(sentence + "it has cfg, log, pid, app, address, LISTENERS, WORKERS and num_workers")
    assert "the callback ArbiterView.call() at 'ready' failed" in program.text()
    assert program.stop() == 0
    conf = "def on_starting(server): server.reexec()\n"
    program.write(program.folder / "gunicorn.conf.py", conf)
    command = hotswap(program, "run", "app:app", "-b", "127.0.0.1:0")
    assert command.returncode == 1
    assert sentence in command.stderr


def test_request_hooks_of_a_conf_file(program: Program) -> None:
    """pre_request and post_request, in workers and in the next generation as well."""
    conf = (
        "def pre_request(worker, req): worker.log.info('before %s %s', req.method, req.path)\n"
        "def post_request(worker, req, environ, resp):\n"
        "    worker.log.info('after %s %s', environ['PATH_INFO'], resp.status)\n"
    )
    run(program, "-b", "127.0.0.1:0", "-w", "1", conf=conf)
    for generation in (1, 2):
        assert program.get(f"/echo/{generation}").status == 200
        program.wait_for(rf"gen={generation} pid=\d+ before GET /echo/{generation}\n")
        program.wait_for(rf"gen={generation} pid=\d+ after /echo/{generation} 200 OK\n")
        if generation == 1:
            program.restart()
    program.stop()


# --- surroundings and files


def test_umask_and_surroundings(program: Program) -> None:
    """umask is for unix sockets; chdir, pythonpath and raw_env are those of the conf file of each generation."""
    site, library = program.folder / "site", program.folder / "library"
    site.mkdir()
    library.mkdir()
    (library / "place.py").write_text("import os\nNAME = os.environ['NAME'] + ' in ' + os.getcwd()\n")
    shutil.copy(PLAIN, library / "site_app.py")
    conf = 'umask = {}\nchdir = "{}"\npythonpath = "{}"\nraw_env = ["NAME={}"]\nbind = ["127.0.0.1:0", "unix:{}"]\n'
    program.write(program.folder / "gunicorn.conf.py", conf.format("0o117", "site", library, "one", "a.sock"))
    program.start(command=[program.python, "-m", "hotswap", "run", "site_app:app"])
    assert json.loads(program.get("/module/place").body)["NAME"] == f"one in {site}"
    assert stat.S_IMODE((site / "a.sock").stat().st_mode) == 0o660
    conf = conf.format("0o077", program.folder, "library", "two", "b.sock")
    program.write(program.folder / "gunicorn.conf.py", conf)
    program.restart()
    assert json.loads(program.get("/module/place").body)["NAME"] == f"two in {program.folder}"
    assert stat.S_IMODE((program.folder / "b.sock").stat().st_mode) == 0o700
    program.stop()


def test_check_config_of_a_conf_file(program: Program) -> None:
    """A deploy script asks before it restarts: exit 0, or 1 with the sentence."""
    program.deploy()
    good = hotswap(program, "run", "--check-config", "app:app")
    assert (good.returncode, good.stdout) == (0, "")
    for conf, sentence in {
        "workers = 'some'": "gunicorn.conf.py): it takes a whole number, 0 or more",
        "threads = ": "SyntaxError: invalid syntax, line 1)",
        "spew = True": "gunicorn.conf.py) is refused: tracing every line",
        "def when_ready(): pass": "when_ready cannot be",
    }.items():
        program.write(program.folder / "gunicorn.conf.py", conf)
        bad = hotswap(program, "run", "--check-config", "app:app")
        assert bad.returncode == 1, conf
        assert sentence in bad.stderr, bad.stderr
        assert "Traceback" not in bad.stderr


def test_print_config_shows_what_will_be(program: Program) -> None:
    """With the conf file and the variables in it."""
    program.deploy()
    (program.folder / "gunicorn.conf.py").write_text("workers = 3\n")
    shown = hotswap(program, "run", "--print-config", "--threads", "5", "app:app")
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert shown.returncode == 0
    assert ["workers", "=", "3"] in lines
    assert ["threads", "=", "5"] in lines
    assert os.fspath(program.folder) in shown.stdout


WORKER_HOOKS = r"""
import os
def say(*words): os.write(1, (" ".join(["hook", *map(str, words)]) + "\n").encode())
bind = "127.0.0.1:0"
def post_fork(server, worker): say("post_fork")
def post_worker_init(worker):
    worker.pool = "the pool"
    say("post_worker_init", worker.pid == os.getpid(), callable(worker.wsgi), worker.nr, worker.cfg.workers)
def pre_request(worker, req): say("pre_request", worker.pool, worker.nr)
def worker_exit(server, worker): say("worker_exit", server.pid, worker.pid, worker.pool, worker.nr)
def on_exit(server): say("on_exit")
"""


def test_one_process_is_its_own_worker(program: Program) -> None:
    """Without forked workers: what post_worker_init opens, worker_exit closes; the others are named once."""
    run(program, conf=WORKER_HOOKS)
    pid = program.pid
    assert [program.get("/").status, program.get("/").status] == [200, 200]
    program.restart()
    program.wait_for("hook on_exit")
    said = [line.split(maxsplit=1)[1] for line in program.text().splitlines() if line.startswith("hook")]
    began = "post_worker_init True True 0 0"
    left = f"worker_exit {pid} {pid} the pool 2"
    assert said == [began, "pre_request the pool 1", "pre_request the pool 2", began, left, "on_exit"]
    assert program.text().count("post_fork: not called, because nothing is forked (workers=0)") == 2
    program.stop()
    assert program.text().count("hook worker_exit") == 2


def test_one_process_is_not_replaced(program: Program) -> None:
    """max_requests and the like are for forked workers: without them the log says that they do nothing."""
    program.start(max_requests=2)
    assert [program.get("/").status for _ in range(4)] == [200] * 4
    program.wait_for(r"WARNING\] gen=1 .*max_requests: without effect, because nothing is forked \(workers=0\)")
    assert program.stop() == 0


def test_a_worker_hook_that_raises(program: Program) -> None:
    """At boot it fails the restart, and what was begun is ended; at the end it is logged."""
    run(program, conf=WORKER_HOOKS)
    program.write(program.folder / "gunicorn.conf.py", WORKER_HOOKS.replace("worker.nr, worker.cfg", "worker.wrong"))
    command = hotswap(program, "restart", str(program.pid))
    assert command.returncode == 1
    assert "has no attribute 'wrong'" in command.stderr
    assert program.text().count("hook worker_exit") == 1
    program.write(program.folder / "gunicorn.conf.py", WORKER_HOOKS.replace("server.pid", "server.wrong"))
    program.restart()
    assert program.stop() in (0, None)
    program.wait_for("the worker_exit hook failed")


def test_the_last_hook_may_take_longer_than_the_timeout(program: Program) -> None:
    """A worker that waits for a job in worker_exit is not taken for stuck."""
    conf = "import select\ntimeout = 1\ndef worker_exit(server, worker):\n    select.select([], [], [], 3)\n"
    conf += "    print('job done', flush=True)\n"
    run(program, "-b", "127.0.0.1:0", "-w", "1", conf=conf)
    assert program.stop() == 0
    assert "job done" in program.text()
    assert "gave no heartbeat" not in program.text()
