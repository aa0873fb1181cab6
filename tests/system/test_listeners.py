"""Listening sockets: bound, passed on and adopted, and the files of unix sockets."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from hotswap.system.listeners import adopt
from tests.eventually import DEADLINE
from tests.live import starts_processes
from tests.system.listening import HOLDER, NOBODY, Bind, connect, held, ipv6, python, refusal

# --- binding


@pytest.mark.parametrize("text", ["127.0.0.1:0", "localhost:0", ":0", "[::1]:0", "unix:{}/a.sock", "unix:@{}"])
def test_a_bound_listener_accepts(text: str, listen: Bind, open_dir: Path) -> None:
    """Whatever the kind of address, clients can connect; the socket is fit for a loop and for Popen."""
    if text.startswith("["):
        ipv6()
    listener = listen(text.format(open_dir))
    with connect(listener), listener.sock.accept()[0] as accepted:
        assert accepted.fileno() >= 0
    assert not listener.sock.getblocking()
    assert not os.get_inheritable(listener.fileno())
    assert listener.key == text.format(open_dir)


def test_port_0_becomes_a_port_and_a_url(listen: Bind) -> None:
    """What the kernel chose is what the log shows and what a client opens."""
    listener = listen("127.0.0.1:0")
    port = listener.sock.getsockname()[1]
    assert (listener.bound, listener.url) == (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}")
    assert listener.address.text == "127.0.0.1:0"


def test_ipv6_is_bound_with_brackets(listen: Bind) -> None:
    """An IPv6 listener's names can be used as addresses again."""
    ipv6()
    listener = listen("[::1]:0")
    port = listener.sock.getsockname()[1]
    assert (listener.bound, listener.url) == (f"[::1]:{port}", f"http://[::1]:{port}")


@pytest.mark.parametrize("v6only", [True, False])
def test_v6only_decides_whether_ipv4_clients_come_in(v6only: bool, listen: Bind) -> None:
    """With v6only another listener may have the same port of IPv4; without, IPv4 clients reach this one."""
    ipv6()
    listener = listen("[::]:0", v6only=v6only)
    with socket.socket() as client:
        client.settimeout(DEADLINE)
        answer = client.connect_ex(("127.0.0.1", listener.sock.getsockname()[1]))
    assert (answer == 0) is not v6only


def test_accepted_connections_have_nodelay(listen: Bind) -> None:
    """Answers leave at once, without a system call for every connection: accept inherits it."""
    listener = listen("127.0.0.1:0")
    with connect(listener), listener.sock.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_can_be_bound_again_right_after_its_connections(listen: Bind) -> None:
    """Connections in TIME_WAIT of a stopped server do not keep its address."""
    first = listen("127.0.0.1:0")
    client = connect(first)
    first.sock.accept()[0].close()  # the server closes first, so TIME_WAIT is on its side
    client.close()
    first.close()
    assert listen(first.bound).bound == first.bound


# --- unix sockets


@pytest.mark.parametrize(("umask", "mode"), [(0, 0o777), (0o022, 0o755), (0o177, 0o600)])
def test_a_unix_socket_has_the_mode_that_was_asked_for(umask: int, mode: int, listen: Bind, open_dir: Path) -> None:
    """Neither wider nor narrower, whatever the umask of the process is; that one is left alone."""
    before = os.umask(0o027)
    try:
        listen(f"unix:{open_dir}/a.sock", umask=umask)
        assert stat.S_IMODE((open_dir / "a.sock").stat().st_mode) == mode
    finally:
        changed = os.umask(before)
    assert changed == 0o027


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_unix_socket_can_belong_to_another_user(listen: Bind, open_dir: Path) -> None:
    """A server that is about to drop its privileges gives the file to the user that it will be."""
    listen(f"unix:{open_dir}/a.sock", owner=(NOBODY, -1))
    found = (open_dir / "a.sock").stat()
    assert (found.st_uid, found.st_gid) == (NOBODY, os.getegid())


@pytest.mark.parametrize("leftover", ["closed", "killed"])
@starts_processes
def test_a_stale_unix_socket_is_replaced(leftover: str, listen: Bind, open_dir: Path) -> None:
    """The file of a server that is gone, orderly or not, is no obstacle."""
    text = f"unix:{open_dir}/a.sock"
    if leftover == "closed":
        listen(text).close()
    else:
        with python(HOLDER, text) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.kill()
    assert (open_dir / "a.sock").is_socket()
    with connect(listen(text)):
        pass


@starts_processes
def test_a_living_unix_socket_is_not_taken_away(open_dir: Path) -> None:
    """The message names the process that has it, and the server there goes on answering."""
    text = f"unix:{open_dir}/a.sock"
    with held(text) as (pid, _):
        error = refusal(text)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(f"{open_dir}/a.sock")
    assert f"(address in use by pid {pid} " in str(error)
    assert error.errno == errno.EADDRINUSE


def test_a_unix_socket_with_a_full_backlog_is_alive(listen: Bind, open_dir: Path) -> None:
    """A server too busy to take a connection is not mistaken for a dead one."""
    listener = listen(f"unix:{open_dir}/a.sock")
    listener.sock.listen(0)
    with contextlib.ExitStack() as clients:
        answer = 0
        while answer == 0:
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            answer = client.connect_ex(f"{open_dir}/a.sock")
        assert answer == errno.EAGAIN
        assert f"(address in use by this server itself, at {listener.key})" in str(refusal(listener.key))


def test_a_datagram_socket_at_the_path_is_alive(open_dir: Path) -> None:
    """A syslog-like socket is in use although no stream can connect to it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(f"{open_dir}/a.sock")
        assert "(address in use)" in str(refusal(f"unix:{open_dir}/a.sock"))


@starts_processes
def test_an_abstract_name_in_use_names_its_holder(open_dir: Path) -> None:
    """An abstract name has no file that could be stale: the message names the process that has it."""
    with held(f"unix:@{open_dir}") as (pid, _):
        assert f"(address in use by pid {pid} " in str(refusal(f"unix:@{open_dir}"))


def test_the_path_is_removed_by_the_server_that_made_it(listen: Bind, open_dir: Path) -> None:
    """Stopping takes the file away, once."""
    listener = listen(f"unix:{open_dir}/a.sock")
    assert listener.remove_path()
    assert not (open_dir / "a.sock").exists()
    assert not listener.remove_path()


def test_the_path_is_left_alone_when_another_server_replaced_it(listen: Bind, open_dir: Path) -> None:
    """The process that put another socket there owns the path now."""
    ours = listen(f"unix:{open_dir}/a.sock")
    (open_dir / "a.sock").unlink()
    theirs = listen(f"unix:{open_dir}/a.sock")
    assert not ours.remove_path()
    with connect(theirs):
        pass


def test_a_relative_path_is_removed_after_a_change_of_directory(
    listen: Bind, open_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application may go elsewhere; the file stays where it was made."""
    monkeypatch.chdir(open_dir)
    listener = listen("unix:a.sock")
    monkeypatch.chdir("/")
    assert listener.remove_path()
    assert list(open_dir.iterdir()) == []


def test_tcp_and_abstract_listeners_have_no_path_to_remove(listen: Bind, open_dir: Path) -> None:
    """Only a unix socket's file has an identity."""
    for text in ("127.0.0.1:0", f"unix:@{open_dir}"):
        assert (listen(text).identity, listen(text + "x" if "@" in text else text).remove_path()) == (
            "",
            False,
        )


# --- adopting


def test_an_adopted_listener_keeps_its_clients(listen: Bind) -> None:
    """A descriptor of the same socket accepts the connections that were made before it was passed."""
    first = listen("127.0.0.1:0")
    with connect(first):
        second = adopt(os.dup(first.fileno()), "key", first.address)
        first.close()
        second.sock.accept()[0].close()
    assert (second.bound, second.key) == (first.bound, "key")
    assert not second.sock.getblocking()
    assert not os.get_inheritable(second.fileno())
    second.close()


def test_the_path_is_removed_by_a_later_generation(listen: Bind, open_dir: Path) -> None:
    """The identity travels with the socket: the last process of a server removes the file that the first has made."""
    first = listen(f"unix:{open_dir}/a.sock")
    later = adopt(os.dup(first.fileno()), first.key, first.address, first.identity)
    first.close()
    assert later.remove_path()
    later.close()


def test_a_path_that_was_inherited_is_not_ours_to_remove(listen: Bind, open_dir: Path) -> None:
    """systemd's and start_server's sockets come without an identity and their files stay."""
    theirs = listen(f"unix:{open_dir}/a.sock")
    ours = adopt(os.dup(theirs.fileno()), theirs.key, theirs.address)
    assert not ours.remove_path()
    assert (open_dir / "a.sock").exists()
    ours.close()


def test_adopting_can_change_the_backlog(listen: Bind) -> None:
    """A new setting takes effect at the restart, on the socket that is passed on."""
    first = listen("127.0.0.1:0")
    second = adopt(os.dup(first.fileno()), first.key, first.address, backlog=3)
    tcp_info = first.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    # tcpi_sacked holds sk_max_ack_backlog of a listening socket (Linux, tcp_get_info); it is the 8th u32
    # after 8 bytes.
    assert int.from_bytes(tcp_info[28:32], sys.byteorder) == 3
    second.close()


def test_fd_address_adopts_an_open_descriptor(listen: Bind) -> None:
    """fd://N serves a socket that the parent passed, under the name it is bound to."""
    first = listen("127.0.0.1:0")
    second = listen(f"fd://{os.dup(first.fileno())}")
    assert second.bound == first.bound
    assert second.address.fd == second.fileno()
