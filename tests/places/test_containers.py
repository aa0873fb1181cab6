"""In a container the end of one process ends all: the pid that the container knows stays, whatever stands in front."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest

from tests.asking import connect, read_answer, request
from tests.eventually import eventually
from tests.harness import Program
from tests.places.lives import STANDS, STATUS, WAYS, live, serve
from tests.processes import ProcessTree, descendants
from tests.restart.gates import child_of, open_gate, wait_at
from tests.restart.test_refusals import namespace

__all__ = ["namespace"]

tini = pytest.mark.needs("tini", "tini")
dumb_init = pytest.mark.needs("dumb-init", "dumb-init")


def pid_1(program: Program) -> int:
    """The first process of the namespace, as seen from here: the child of unshare or nsenter."""
    return child_of(program, program.pid)


def child_of_pid_1(program: Program) -> int:
    """What an entrypoint without exec has started."""
    return child_of(program, pid_1(program))


class Entrypoint(NamedTuple):
    """What stands in front of the server's command; the pid to which signals are sent; and what the log says."""

    words: Sequence[str]
    known: Callable[[Program], int]
    why: str


#: With something to do after it: a shell executes its last command in its own place.
NO_EXEC = ["sh", "-c", '"$0" "$@"; exit $?']
EXEC = ["sh", "-c", 'exec "$0" "$@"']


def grandchild_of_pid_1(program: Program) -> int:
    """What an entrypoint without exec has started, behind an init."""
    return child_of(program, child_of_pid_1(program))


ENTRYPOINTS = {
    "none": Entrypoint([], pid_1, "this process is pid 1"),
    "exec": Entrypoint(EXEC, pid_1, "this process is pid 1"),
    "shell": Entrypoint(NO_EXEC, child_of_pid_1, r"sh .pid 1. waits"),
    "tini": Entrypoint(["tini", "--"], pid_1, r"tini .pid 1. waits"),
    "tini-shell": Entrypoint(["tini", "--", *NO_EXEC], grandchild_of_pid_1, r"sh .pid 2., which has"),
    # The kernel calls it by its file, and not by the shell that runs it.
    "tini-script": Entrypoint(["tini", "--", "./entrypoint"], grandchild_of_pid_1, r"entrypoint .pid 2., which has"),
    # It signals the whole session: starter and generations have each signal twice.
    "dumb-init": Entrypoint(["dumb-init", "--"], pid_1, r"dumb-init .pid 1. waits"),
    "dumb-init-child": Entrypoint(["dumb-init", "--single-child", "--"], pid_1, r"dumb-init .pid 1. waits"),
}
MARKS = {
    "tini": [tini],
    "tini-shell": [tini],
    "tini-script": [tini],
    "dumb-init": [dumb_init],
    "dumb-init-child": [dumb_init],
}


def lives_by(program: Program, pid: int) -> None:
    """By signals to that one pid; the exit status passes through."""
    live(program, lambda: os.kill(pid, signal.SIGHUP), lambda: os.kill(pid, signal.SIGTERM))
    assert program.wait_status() == STATUS


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, [])) for name in ENTRYPOINTS])
def test_entrypoint(program: Program, process_tree: ProcessTree, namespace: Sequence[str], name: str, way: str) -> None:
    """A Dockerfile's ENTRYPOINT and CMD."""
    entrypoint = ENTRYPOINTS[name]
    script = program.folder / "entrypoint"
    script.write_text('#!/bin/sh\n"$@"\nexit $?\n')
    script.chmod(0o755)
    program.deploy(below=("endings.with_status", STATUS))
    program.start(command=[*namespace, *entrypoint.words, *WAYS[way](program)])
    program.wait_for(f"the pid stays at a restart, for .*{entrypoint.why}")
    lives_by(program, entrypoint.known(program))
    assert process_tree.left() == []


@pytest.fixture
def container(process_tree: ProcessTree, namespace: Sequence[str]) -> Iterator[int]:
    """The pid of pid 1 of a pid namespace in which nothing else runs."""
    command = [*namespace, "sh", "-c", "echo up; read line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        (first,) = (each.pid for each in process_tree.left() if each.parent == process.pid)
        yield first


@pytest.mark.parametrize("way", WAYS)
def test_entered_from_outside(
    program: Program, process_tree: ProcessTree, namespace: Sequence[str], container: int, way: str
) -> None:
    """`docker exec`, `kubectl exec`, nsenter: the parent, which waits, is no process of this namespace."""
    user = ["--user", "--preserve-credentials"] if "--user" in namespace else []
    before = len(process_tree.left())
    program.deploy(below=("endings.with_status", STATUS))
    enter = ["nsenter", "--target", str(container), "--pid", "--mount", f"--wdns={program.folder}", *user]
    program.start(command=[*enter, *WAYS[way](program)])
    program.wait_for("the pid stays at a restart, for a process outside of this pid namespace")
    lives_by(program, pid_1(program))
    assert len(process_tree.left()) == before


@pytest.mark.parametrize("way", WAYS)
def test_orphans_are_reaped(program: Program, namespace: Sequence[str], way: str) -> None:
    """They are pid 1's. Without a starter none reads their status, which may be that of a child of the application's
    own; what has ended until there is one is reaped when it begins."""
    program.start(command=[*namespace, *WAYS[way](program)], below="forks.leaves_an_orphan")
    if way == "serve":
        os.kill(pid_1(program), signal.SIGHUP)
        program.wait_for(STANDS)
    assert program.text().count("an orphan") == (2 if way == "serve" else 1)
    eventually(lambda: not any(each.zombie for each in descendants(program.pid)), "an orphan is not reaped")


@dumb_init
def test_a_hup_for_the_whole_session_while_generation_1_retires(program: Program, namespace: Sequence[str]) -> None:
    """It finishes a request, and would pass on what comes to it; the generation that serves has the signal, too."""
    program.start(command=[*namespace, "dumb-init", "--", *serve(program)])
    with connect(program.address) as client:
        client.sendall(request("/gated/long"))
        wait_at(program, "long")
        for generation in (2, 3, 4):
            os.kill(pid_1(program), signal.SIGHUP)
            program.wait_for(rf"generation {generation} .* serves: retiring")
        open_gate(program, "long")
        assert read_answer(client).status == 200
    program.wait_for(STANDS)
    assert list(program.generations()) == [1, 2, 3, 4]
