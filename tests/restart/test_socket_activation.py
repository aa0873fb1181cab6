"""Sockets that systemd holds, passed by its own systemd-socket-activate: served, kept over restarts, and not leaked.

On unix sockets, because the activator wants the number of a port, and no number is free for certain.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest

from tests.asking import connect, get, read_answer, request
from tests.harness import Program
from tests.processes import descriptors

pytestmark = pytest.mark.needs("systemd-socket-activate", "systemd")

VARIABLES = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}


def activate(program: Program, places: list[str], *options: str, **settings: Any) -> str:
    """Starts the program on the first connection, as a .socket unit does; gives the pid that answers it.

    `places` are paths or abstract names (`@name`) to listen on; the first one is connected to.
    """
    listening = [word for place in places for word in ("--listen", place)]
    passed = [f"--setenv={name}={value}" for name, value in program.environment({}).items()]
    command = ["systemd-socket-activate", *listening, *options, *passed, program.python, str(program.script)]
    program.start(command=command, ready=False, **settings)
    program.wait_for(f"Listening on .* as {2 + len(places)}")
    with connect(f"unix:{places[0]}") as client:
        client.sendall(request("/pid"))
        answer = read_answer(client)
    # It is logged when the first answer may be on its way already.
    program.wait_for("serving at ")
    return answer.body.decode()


def generations(places: list[str]) -> set[str]:
    """Which process answers at these addresses."""
    return {get(place, "/").headers["x-generation"] for place in places}


def variables(program: Program) -> set[str]:
    """What the application has in its environment of what is none of its business."""
    return {name for name in json.loads(program.get("/env").body) if name.startswith(("LISTEN_", "HOTSWAP"))}


@pytest.mark.parametrize("place", ["{}/s.sock", "@{}"])
def test_without_an_address(program: Program, place: str) -> None:
    """What is passed is served, at descriptor 3; two restarts later it is still the same socket."""
    place = place.format(program.folder)
    assert activate(program, [place], address=[]) == str(program.pid)
    assert program.address == f"unix:{place}"
    listener = descriptors(program.pid)[3]
    for generation in (1, 2, 3):
        assert program.get("/").headers["x-generation"] == str(generation)
        assert descriptors(program.serving_pid)[3] == listener
        if generation < 3:
            program.restart()
    assert program.text().count(f"serving at unix:{place}\n") == 3


def test_the_variables_belong_to_one_process(program: Program) -> None:
    """The process that systemd started has them; neither its application nor the next generation gets them."""
    activate(program, [f"{program.folder}/s.sock"], "--fdname=web", address=[], above="early.says_its_variables")
    assert variables(program) == set()
    program.restart()
    assert variables(program) == set()
    first, second = (set(line.split()) for line in re.findall("started with (.*)", program.text()))
    assert first >= VARIABLES
    assert second == first - VARIABLES | {"HOTSWAP_HANDOFF"}


def test_with_addresses(program: Program) -> None:
    """Found by path and by name, whatever their order; the address that was not passed is bound; and all stay."""
    folder = program.folder
    passed = [f"{folder}/one.sock", f"@{folder}/two", f"{folder}/three.sock"]
    address = [f"unix:{folder}/three.sock", "127.0.0.1:0", "fd://web", f"unix:{folder}/one.sock"]
    activate(program, passed, "--fdname=first:web:last", address=address)
    found = re.search(r"serving at (.*)", program.text())
    assert found is not None
    places = found[1].replace("http://", "").split(", ")
    assert places[::2] == [f"unix:{folder}/three.sock", f"unix:@{folder}/two"]
    assert places[3] == f"unix:{folder}/one.sock"
    sockets = [descriptors(program.pid)[fd] for fd in (3, 4, 5, 6)]
    for generation in (2, 3):
        program.restart()
        assert generations(places) == {str(generation)}
        assert [descriptors(program.serving_pid)[fd] for fd in (3, 4, 5, 6)] == sockets
    assert program.text().count(f"serving at {found[1]}\n") == 3


def test_a_path_of_systemd_stays_when_the_server_stops(program: Program) -> None:
    """The socket unit starts the service again on the next connection, so its path must be there."""
    path = program.folder / "s.sock"
    activate(program, [str(path)], address=[])
    program.restart()
    program.settle()
    assert program.stop() == 0
    assert path.is_socket()


def test_a_socket_that_no_address_asks_for(program: Program) -> None:
    """It is named in the log and closed: a client must not wait in a queue that no process reads."""
    used, unused = f"{program.folder}/used.sock", f"{program.folder}/unused.sock"
    activate(program, [used, unused], address="fd://3")
    program.wait_for(rf"descriptor 4 \(unix:{unused}\) was passed here, but no address asks for it: closed")
    assert refused(unused)
    program.restart()
    assert generations([f"unix:{used}"]) == {"2"}


def test_a_socket_that_the_next_version_does_not_want(program: Program) -> None:
    """The restart closes it, and the one that stays goes on."""
    one, two = f"{program.folder}/one.sock", f"{program.folder}/two.sock"
    activate(program, [one, two], address=["fd://3", f"unix:{two}"])
    assert generations([f"unix:{two}"]) == {"1"}
    program.deploy(address="fd://3")
    program.restart()
    assert generations([f"unix:{one}"]) == {"2"}
    program.settle()
    assert refused(two)
    program.restart()
    assert generations([f"unix:{one}"]) == {"3"}


def refused(place: str) -> bool:
    """Whether no process listens there any more."""
    try:
        connect(f"unix:{place}").close()
    except ConnectionRefusedError:
        return True
    return False


def test_variables_for_another_process(program: Program) -> None:
    """A LISTEN_PID that is not ours says nothing about our descriptors, and does not reach the application."""
    program.start(environ={"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
    assert variables(program) == set()
    program.restart()
    assert variables(program) == set()
