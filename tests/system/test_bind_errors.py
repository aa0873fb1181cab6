"""Why an address cannot be listened on: each sentence from its real cause."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from hotswap.system.addresses import parse
from hotswap.system.listeners import bind
from tests.live import starts_processes
from tests.system.listening import HOLDER, NOBODY, UNPRIVILEGED, Bind, held, ipv6, python, refusal, run


@starts_processes
def test_address_in_use_names_the_holder() -> None:
    """The message names the process that has the port by pid and command, with a remedy."""
    with held("127.0.0.1:0") as (pid, bound):
        error = refusal(bound)
    assert f"(address in use by pid {pid} " in str(error)
    assert str(error).endswith("): stop it, or choose another address")
    assert error.errno == errno.EADDRINUSE


@pytest.mark.parametrize(
    ("taken", "wanted"), [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1"), ("[::]", "127.0.0.1")]
)
@starts_processes
def test_an_address_that_collides_names_the_holder(taken: str, wanted: str) -> None:
    """All addresses of a port and one of them cannot be had by two servers."""
    if taken == "[::]":
        ipv6()
    with held(f"{taken}:0") as (pid, bound):
        error = refusal(f"{wanted}:{bound.rpartition(':')[2]}")
    assert f"(address in use by pid {pid} " in str(error)


@starts_processes
def test_a_hotswap_server_in_the_way_can_be_restarted() -> None:
    """Where the holder is a hotswap server the sentence has the command that replaces it."""
    title = "import setproctitle; setproctitle.setproctitle('hotswap: app gen 1 [serving]')\n" + HOLDER
    with python(title, "127.0.0.1:0") as process:
        assert process.stdout is not None
        error = refusal(process.stdout.readline().strip())
        pid = process.pid
    assert str(error).endswith(
        f'(address in use by pid {pid} "hotswap: app gen 1 [serving]"): '
        f"stop it, or restart it with hotswap restart {pid}"
    )


def test_an_address_that_collides_with_one_of_our_own(listen: Bind) -> None:
    """A new configuration widens the address: not "stop it", which would be said of this very server."""
    bound = listen("127.0.0.1:0").bound
    wider = bound.replace("127.0.0.1", "0.0.0.0")
    assert str(refusal(wider)) == (
        f"cannot bind {wider} (address in use by this server itself, at {bound}): listen on one of the two; "
        "to change from one to the other, stop the server and start it again"
    )


@starts_processes
def test_an_address_of_our_own_that_another_process_has_too(listen: Bind) -> None:
    """A predecessor has the same listeners, but it is no other server."""
    listener = listen("127.0.0.1:0")
    with python("import sys; print(flush=True); sys.stdin.read()", pass_fds=[listener.fileno()]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert "(address in use by this server itself, at 127.0.0.1:" in str(refusal(listener.bound))
        listener.close()
        assert f"(address in use by pid {process.pid} " in str(refusal(listener.bound))


def test_an_address_in_use_by_a_socket_that_cannot_be_found() -> None:
    """A socket that is bound but does not listen is in no table: the message then names no process."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        error = refusal(f"127.0.0.1:{other.getsockname()[1]}")
    assert str(error).endswith("(address in use): stop what holds it, or choose another address")


@pytest.mark.parametrize(
    ("text", "number", "rest"),
    [
        (
            "192.0.2.1:0",
            errno.EADDRNOTAVAIL,
            "(no address of this machine): use one of its addresses, or :PORT for all of them",
        ),
        ("unix:{}/none/a.sock", errno.ENOENT, "(there is no directory {}/none): make it first"),
        ("unix:{}/file/a.sock", errno.ENOTDIR, "({}/file is not a directory): choose another path"),
        (
            "unix:{}/file",
            errno.EEXIST,
            "(there is a regular file of this name): remove it, or choose another path",
        ),
        (
            "unix:{}/link",
            errno.EEXIST,
            "(there is a symbolic link of this name): remove it, or choose another path",
        ),
        ("unix:{}/loop/a.sock", errno.ELOOP, "(too many levels of symbolic links)"),
        (
            "unix:/" + 107 * "a",
            errno.ENAMETOOLONG,
            "(name longer than 107 bytes): use a shorter or a relative path",
        ),
        (
            "unix:@" + 108 * "a",
            errno.ENAMETOOLONG,
            "(name longer than 107 bytes): use a shorter or a relative path",
        ),
        ("fd://987654", errno.EINVAL, "(file descriptor 987654 is not open): pass a listening stream socket"),
        (
            "fd://web",
            errno.EBADF,
            "(no descriptor named web was passed): set FileDescriptorName= in the systemd socket unit",
        ),
    ],
)
def test_what_cannot_be_bound_says_why(text: str, number: int, rest: str, open_dir: Path) -> None:
    """Fact, identity, cause and remedy, each from what really happens."""
    (open_dir / "file").touch()
    (open_dir / "link").symlink_to("nowhere")
    (open_dir / "loop").symlink_to("loop")
    error = refusal(text.format(open_dir))
    assert str(error) == f"cannot bind {text.format(open_dir)} " + rest.format(open_dir)
    assert error.errno == number


def test_the_longest_names_can_be_bound(listen: Bind, open_dir: Path) -> None:
    """107 bytes are not too many, as a path and as an abstract name."""
    path = f"{open_dir}/".ljust(107, "a")
    assert listen(f"unix:{path}").bound == f"unix:{path}"
    assert listen(f"unix:@{path}").bound == f"unix:@{path}"


def test_a_host_name_that_does_not_resolve() -> None:
    """A name that no machine has (RFC 6761 reserves .invalid for that) is not taken for another machine's."""
    sentence = str(refusal("nowhere.invalid:80"))
    assert "(no such host: " in sentence
    assert sentence.endswith("): use an address of this machine, or :PORT for all of them")


def test_a_link_local_address_without_its_interface() -> None:
    """IPv6 link-local addresses exist once per interface."""
    ipv6()
    assert "(invalid argument): name the interface of a link-local address" in str(refusal("[fe80::1]:0"))


@starts_processes
def test_a_privileged_port_without_privileges() -> None:
    """An ordinary user is told which ports are free, and of socket activation."""
    first_free = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first_free < 2:
        pytest.skip("this machine lets everybody bind every port")
    assert run(UNPRIVILEGED, str(NOBODY), "127.0.0.1:1") == [
        "cannot bind 127.0.0.1:1 (permission denied): use a port above 1023 or socket activation"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what another user may not touch")
@starts_processes
def test_a_unix_path_without_privileges(open_dir: Path) -> None:
    """No right to write there, another user's stale socket in a sticky directory, his private socket."""
    (open_dir / "sticky").mkdir()
    (open_dir / "sticky").chmod(0o1777)
    stale, private = f"unix:{open_dir}/sticky/stale", f"unix:{open_dir}/private"
    bind(parse(stale), stale, backlog=1).close()
    listener = bind(parse(private), private, backlog=1, umask=0o077)
    lines = run(UNPRIVILEGED, str(NOBODY), f"unix:{open_dir}/a.sock", stale, private)
    listener.close()
    assert lines == [
        f"cannot bind unix:{open_dir}/a.sock (permission denied): give this user the right to write in {open_dir}",
        f"cannot bind {stale} (operation not permitted): run as root or as the owner of the file",
        f"cannot bind {private} (there is a socket that cannot be connected to, permission denied): "
        "remove it, or choose another path",
    ]


def test_a_refusal_leaves_no_descriptor_and_no_file(listen: Bind, open_dir: Path) -> None:
    """A failed restart must not use anything up."""
    taken = listen("127.0.0.1:0").bound
    before = os.listdir("/proc/self/fd")
    for text in (taken, "192.0.2.1:0", f"unix:{open_dir}/no/a.sock", "fd://0", "nowhere.invalid:1"):
        refusal(text)
    assert os.listdir("/proc/self/fd") == before
    assert list(open_dir.iterdir()) == []
