"""Sockets passed by the real start_server and systemd-socket-activate, and which address gets which."""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswap.errors import BindError
from hotswap.system.addresses import keys, parse, parse_all
from hotswap.system.inherited import Inherited, match, server_starter, systemd
from tests import asking
from tests.eventually import DEADLINE, eventually
from tests.processes import ProcessTree

ROOT = Path(__file__).parents[2]

# A server that takes what its parent passes: says what it got, answers one client at each address, exits.
TAKER = """
import json, os, subprocess, sys
from hotswap.errors import BindError
from hotswap.system.addresses import parse_all
from hotswap.system.inherited import match, server_starter, systemd
from hotswap.system.listeners import adopt, place
try:
    inherited = systemd(os.environ, os.getpid()) + server_starter(os.environ)
except BindError as error:
    print(json.dumps({"error": str(error)}), flush=True)
    sys.exit()
addresses = parse_all(sys.argv[1:] or ["127.0.0.1:5000"])
matched = match(addresses, inherited, given=bool(sys.argv[1:]))
listeners = [adopt(item.fd, key, addresses[0]) for key, item in matched.items()]
said = {
    "inherited": [[item.fd, item.name, item.bound] for item in inherited],
    "matched": {listener.key: listener.bound for listener in listeners},
    "leaked": subprocess.check_output(["ls", "-l", "/proc/self/fd"], close_fds=False).count(b"socket:"),
    "environ": [name for name in os.environ if name.startswith(("LISTEN_", "SERVER_STARTER_"))],
}
place(listeners)
said["placed"] = [listener.fileno() for listener in listeners]
print(json.dumps(said), flush=True)
for listener in listeners:
    listener.sock.setblocking(True)
    client, _ = listener.sock.accept()
    client.sendall(listener.key.encode())
    client.close()
"""

# What systemd does: sockets from descriptor 3 on, LISTEN_* for this very pid, then exec.
STARTER = pytest.mark.needs("start_server", "libserver-starter-perl")
ACTIVATOR = pytest.mark.needs("systemd-socket-activate", "systemd")

ACTIVATE = """
import os, socket, sys
count, environ, command = int(sys.argv[1]), sys.argv[2].split(), sys.argv[3:]
kept = []
for number in range(3, 3 + count):
    udp = "udp" in environ
    sock = socket.socket(type=socket.SOCK_DGRAM) if udp else socket.create_server(("127.0.0.1", 0))
    kept.append(sock)
    if sock.fileno() != number:
        os.dup2(sock.fileno(), number)
        sock.close()
    os.set_inheritable(number, True)
os.environ.update(item.replace("=PID", f"={os.getpid()}").split("=") for item in environ if "=" in item)
os.execv(sys.executable, [sys.executable, *command])
"""


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process, told to stop at the end and waited for."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=DEADLINE)


def said(process: subprocess.Popen[str]) -> Any:
    """What the taker says."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], DEADLINE)
    assert readable, "the server did not say what it got"
    return json.loads(process.stdout.readline())


def activated(count: int, environ: str, *addresses: str) -> Any:
    """What the taker says that was started as systemd starts a service with `count` sockets."""
    with started(sys.executable, "-c", ACTIVATE, str(count), environ, "-c", TAKER, *addresses) as process:
        return said(process)


def answer(bound: str) -> str:
    """What the server answers at an address."""
    with asking.connect(bound, timeout=DEADLINE) as client:
        return client.recv(1000).decode()


def item(fd: int, name: str, bound: str, dual: bool = False) -> Inherited:
    return Inherited(fd, name, bound, dual)


# --- Server::Starter, the real one


@STARTER
def test_start_server_passes_ports_and_paths(process_tree: ProcessTree, tmp_path: Path) -> None:
    """Every kind of --port and --path arrives, UDP is left out, and the clients of each reach the server."""
    path = tmp_path / "a;b=c.sock"
    ports = ["0", "127.0.0.1:0", "[::1]:0", "u0", "localhost:0=20"]
    options = [option for port in ports for option in ("--port", port)]
    command = ["start_server", *options, "--path", str(path), "--", sys.executable, "-c", TAKER]
    addresses = [":0", "127.0.0.1:0", "[::1]:0", "localhost:0", f"unix:{path}"]
    with started(*command, *addresses) as process:
        got = said(process)
        assert [name for _, name, _ in got["inherited"]] == [
            "0",
            "127.0.0.1:0",
            "[::1]:0",
            "localhost:0",
            str(path),
        ]
        assert list(got["matched"]) == ["0.0.0.0:0", "127.0.0.1:0", "[::1]:0", "localhost:0", f"unix:{path}"]
        for key, bound in got["matched"].items():
            assert answer(bound.replace("0.0.0.0", "127.0.0.1")) == key
    assert got["environ"] == ["SERVER_STARTER_GENERATION"]
    assert got["leaked"] == 0


@STARTER
def test_start_server_without_addresses_of_our_own(process_tree: ProcessTree, tmp_path: Path) -> None:
    """A server that names no address serves all that start_server has, each under the name it is bound to."""
    command = [
        "start_server",
        "--port",
        "127.0.0.1:0",
        "--path",
        f"{tmp_path}/s",
        "--",
        sys.executable,
        "-c",
        TAKER,
    ]
    with started(*command) as process:
        got = said(process)
        assert got["matched"] == {bound: bound for _, _, bound in got["inherited"]}
        assert got["placed"] == [3, 4]
        assert [answer(bound) for bound in got["matched"]] == list(got["matched"])


@STARTER
def test_start_server_without_sockets(process_tree: ProcessTree) -> None:
    """Without --port and --path its variable is there, and empty."""
    with started("start_server", "--", sys.executable, "-c", TAKER) as process:
        got = said(process)
    assert got["inherited"] == []
    assert got["environ"] == ["SERVER_STARTER_GENERATION"]


@STARTER
def test_the_same_socket_comes_back_in_the_next_generation(process_tree: ProcessTree) -> None:
    """HUP starts a new worker, which gets the same address again and answers."""
    with started("start_server", "--port", "127.0.0.1:0", "--", sys.executable, "-c", TAKER) as process:
        first = said(process)
        process.send_signal(signal.SIGHUP)
        second = said(process)
        assert second["matched"] == first["matched"]
        eventually(lambda: answer(*first["matched"]) in first["matched"], "an answer")


@pytest.mark.parametrize("text", ["8080", "8080=", "=4", "8080=4;", "8080=4;;x=5", "8080=04", "8080=4\n"])
def test_a_variable_that_start_server_does_not_write_is_refused(text: str) -> None:
    """Rubbish is an error, not a guess; the variable is gone all the same."""
    environ = {"SERVER_STARTER_PORT": text}
    with pytest.raises(BindError) as caught:
        server_starter(environ)
    assert str(caught.value) == f"SERVER_STARTER_PORT={text!r} is not as start_server writes it: NAME=FD;NAME=FD"
    assert environ == {}


def test_no_server_starter() -> None:
    """Started by hand, nothing is inherited and nothing is changed."""
    environ = {"HOME": "/"}
    assert server_starter(environ) == []
    assert environ == {"HOME": "/"}


def test_a_descriptor_that_is_not_open_is_refused() -> None:
    """A wrapper that closed the descriptors is named by what is missing."""
    with pytest.raises(BindError) as caught:
        server_starter({"SERVER_STARTER_PORT": "8080=987654"})
    assert str(caught.value) == (
        "file descriptor 987654 (8080), passed by start_server, is not open: pass only listening stream sockets"
    )


# --- systemd


@ACTIVATOR
def test_systemd_activates_a_server(process_tree: ProcessTree, tmp_path: Path) -> None:
    """systemd's own activator passes named sockets; found by name, by number and by what is bound."""
    listens = [f"{tmp_path}/a", f"{tmp_path}/w", f"@{tmp_path}", f"{tmp_path}/b"]
    options = [option for listen in listens for option in ("-l", listen)]
    command = [
        "systemd-socket-activate",
        *options,
        "--fdname=one:web:three:four",
        sys.executable,
        "-c",
        TAKER,
    ]
    addresses = [f"unix:@{tmp_path}", "fd://web", f"unix:{tmp_path}/a", "fd://6"]
    with started(*command, *addresses) as process:
        eventually((tmp_path / "b").exists, "the sockets of systemd-socket-activate")
        with asking.connect(f"unix:@{tmp_path}", timeout=DEADLINE) as first:  # which starts the server
            got = said(process)
            assert first.recv(1000).decode() == f"unix:@{tmp_path}"
        names = [name for _, name, _ in got["inherited"]]
        assert names == ["one", "web", "three", "four"]
        assert got["matched"]["fd://web"] == got["inherited"][1][2]
        assert [answer(got["matched"][key]) for key in addresses[1:]] == addresses[1:]
    assert got["environ"] == []
    assert got["leaked"] == 0
    assert got["placed"] == [3, 4, 5, 6]


def test_systemd_without_names(process_tree: ProcessTree) -> None:
    """LISTEN_FDNAMES may be missing, or too short."""
    assert [got[1] for got in activated(2, "LISTEN_PID=PID LISTEN_FDS=2")["inherited"]] == ["", ""]
    environ = "LISTEN_PID=PID LISTEN_FDS=2 LISTEN_FDNAMES=web"
    assert [got[1] for got in activated(2, environ)["inherited"]] == ["web", ""]


def test_variables_for_another_process_are_not_ours(process_tree: ProcessTree) -> None:
    """LISTEN_PID of a parent shell says nothing about our descriptors, and is not passed on."""
    got = activated(1, "LISTEN_PID=1 LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PIDFDID=7")
    assert (got["inherited"], got["environ"]) == ([], [])


def test_a_datagram_socket_from_systemd_is_refused(process_tree: ProcessTree) -> None:
    """A unit with ListenDatagram= is not for a web server: the sentence names the descriptor."""
    got = activated(1, "LISTEN_PID=PID LISTEN_FDS=1 LISTEN_FDNAMES=log udp")
    assert got == {
        "error": "file descriptor 3 (log), passed by systemd, is a datagram socket: pass only listening stream sockets"
    }


def test_fewer_descriptors_than_systemd_promised(process_tree: ProcessTree) -> None:
    """A wrapper that closed one of them is told from the service's own mistake."""
    got = activated(1, "LISTEN_PID=PID LISTEN_FDS=999999999")
    assert got["error"] == ("file descriptor 4, passed by systemd, is not open: pass only listening stream sockets")


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {"LISTEN_PID": "x", "LISTEN_FDS": "1"},
            "LISTEN_PID='x' is not a number: unset it, or let systemd set it",
        ),
        (
            {"LISTEN_PID": "7", "LISTEN_FDS": "-1"},
            "LISTEN_FDS='-1' is not a number: unset it, or let systemd set it",
        ),
        (
            {"LISTEN_PID": "7", "LISTEN_FDS": "1\n"},
            "LISTEN_FDS='1\\n' is not a number: unset it, or let systemd set it",
        ),
    ],
)
def test_variables_that_make_no_sense_are_refused(environ: dict[str, str], sentence: str) -> None:
    """The error says which of the variables is wrong; a user may have set them by hand."""
    with pytest.raises(BindError) as caught:
        systemd(environ, 7)
    assert str(caught.value) == sentence
    assert environ == {}


@pytest.mark.parametrize(
    "environ", [{}, {"LISTEN_FDS": "1"}, {"LISTEN_PID": "7"}, {"LISTEN_PID": "7", "LISTEN_FDS": "0"}]
)
def test_no_systemd(environ: dict[str, str]) -> None:
    """Half of the variables, or no descriptors, are no activation; what is there is unset."""
    assert systemd(environ, 7) == []
    assert environ == {}


# --- which address gets which


@pytest.mark.parametrize(
    ("address", "passed"),
    [
        (":8080", item(4, "8080", "0.0.0.0:8080")),
        ("0.0.0.0:8080", item(4, "0.0.0.0:8080", "0.0.0.0:8080")),
        ("example.com:8080", item(4, "Example.com:8080", "192.0.2.1:8080")),
        ("unix:/p.sock", item(4, "/p.sock", "unix:/p.sock")),
        ("unix:p.sock", item(4, "p.sock", "unix:p.sock")),
        ("[::]:80", item(4, "[::0]:80", "[::]:80")),
        ("fd://web", item(4, "web", "127.0.0.1:1")),
        ("web", item(4, "web", "127.0.0.1:1")),
        ("fd://4", item(4, "web", "127.0.0.1:1")),
        ("127.0.0.1:80", item(4, "web", "127.0.0.1:80")),
        ("localhost:80", item(4, "web", "127.0.0.1:80")),
        ("unix:@x", item(4, "unknown", "unix:@x")),
        (":80", item(4, "app.socket", "[::]:80", dual=True)),
    ],
)
def test_an_address_finds_its_socket(address: str, passed: Inherited) -> None:
    """By the giver's name, by number, by what it is bound to, and :80 by a socket that takes IPv4 too."""
    [wanted] = parse_all(address)
    assert match([wanted], [passed]) == {wanted.text: passed}


@pytest.mark.parametrize(
    ("address", "passed"),
    [
        (":80", item(4, "web", "[::]:80", dual=False)),
        ("127.0.0.1:80", item(4, "web", "[::]:80", dual=True)),
        ("127.0.0.1:80", item(4, "", "0.0.0.0:80")),
        ("127.0.0.1:0", item(4, "", "127.0.0.1:80")),
        ("fd://5", item(4, "5", "127.0.0.1:80")),
        ("fd://api", item(4, "web", "127.0.0.1:80")),
    ],
)
def test_an_address_that_is_another_is_left_to_be_bound(address: str, passed: Inherited) -> None:
    """Nothing is served at an address that was not asked for."""
    assert match(parse_all(address), [passed]) == {}


def test_a_name_goes_before_what_is_bound() -> None:
    """The giver's name is what the user and the giver agreed on; and one socket serves one address."""
    named, bound = item(3, "8080", "0.0.0.0:1"), item(4, "1", "0.0.0.0:8080")
    assert match(parse_all(":8080,:1"), [bound, named]) == {"0.0.0.0:8080": named, "0.0.0.0:1": bound}
    assert match(parse_all([":0", ":0"]), [item(3, "0", "0.0.0.0:9")]) == {"0.0.0.0:0": item(3, "0", "0.0.0.0:9")}


def test_without_an_address_all_that_is_inherited_is_served() -> None:
    """In order, under what each is bound to, which is not the default address; two of one name stay apart."""
    one, two, three = item(3, "", "0.0.0.0:80"), item(4, "", "unix:/a"), item(5, "", "0.0.0.0:80")
    default = parse_all("127.0.0.1:5000")
    passed = [one, two, three]
    assert match(default, passed, given=False) == {"0.0.0.0:80": one, "unix:/a": two, "0.0.0.0:80#2": three}
    assert match(default, [], given=False) == {}


some_addresses = st.sampled_from(
    [":80", "[::]:80", "127.0.0.1:80", "localhost:80", "fd://3", "fd://web", "unix:/a", ":0"]
)
some_inherited = st.builds(
    Inherited,
    fd=st.integers(3, 5),
    name=st.sampled_from(["", "80", "web", "/a", "0", "127.0.0.1:80"]),
    bound=st.sampled_from(["0.0.0.0:80", "[::]:80", "127.0.0.1:80", "unix:/a"]),
    dual=st.booleans(),
)


@given(
    st.lists(some_addresses, unique=True),
    st.lists(some_inherited, unique_by=lambda one: one.fd),
    st.booleans(),
)
def test_no_socket_serves_two_addresses(texts: list[str], passed: list[Inherited], was_given: bool) -> None:
    """Every match is one of the addresses and one of the sockets, each at most once."""
    addresses = [parse(text) for text in texts]
    matched = match(addresses, passed, given=was_given)
    assert len(set(matched.values())) == len(matched)
    assert set(matched.values()) <= set(passed)
    if was_given:
        assert set(matched) <= set(keys(addresses))
    else:
        assert len(matched) == len(passed)


def test_a_dual_stack_socket_is_recognized() -> None:
    """An inherited socket of [::] says whether IPv4 clients reach it."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    for dual in (True, False):
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=dual) as server:
            [got] = server_starter({"SERVER_STARTER_PORT": f"x={server.fileno()}"})
            assert got.dual is dual
