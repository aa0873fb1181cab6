"""What root's commands find of other users' servers, and that no file of another user's makes them do harm."""

from __future__ import annotations

import os

import pytest

from tests.live import starts_processes
from tests.system import namespaces

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root looks at other users' servers"),
    starts_processes,
]

#: A server of another user, in a process of its own; `at` is its run_dir, or its environment.
SERVERS = """
import signal, sys, setproctitle
# Before /tmp is another one: this very repository may lie in it.
from hotswap.cli import main as cli, restart, status, stop
from hotswap.scoreboard import layout, locks, slots
tmpfs("/tmp", "mode=1777")
tmpfs("/run", "mode=755")
tmpfs("/srv", "mode=755")
def child(action):
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        action()
        os.write(write, b"!")
        signal.pause()
    os.read(read, 1)
    return pid
def server(name, uid, at=None, environ={}, title=None):
    def serve():
        os.environ.update(environ)
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        Scoreboard.create(at, name).take_slot(1, "server").set_state("serving")
        if title:
            setproctitle.setproctitle(title)
    return child(serve)
def folder(path, uid):
    os.makedirs(path)
    os.chown(path, uid, uid)
    return path
def found():
    print(sorted((board.name, board.path or "") for board in list_servers()), flush=True)
"""


def run(script: str) -> list[str]:
    """The lines that the script prints, in namespaces of its own."""
    return namespaces.run(SERVERS + script, as_root=True).splitlines()


def test_a_service_with_a_runtime_directory() -> None:
    """Its board lies in the first of them, which systemd has made for its user; also below /run/private."""
    assert run(
        """
for number, path in enumerate(["/run/shop", "/run/private/blog"]):
    where = {"RUNTIME_DIRECTORY": f"{folder(path, 1234)}:/run/other", "XDG_RUNTIME_DIR": "/run/user/0"}
    server(f"s{number}", 1234, environ=where)
folder("/run/other", 1234)
found()
os.setresuid(1234, 1234, 1234)
found()
"""
    ) == [
        "[('s0', '/run/shop/hotswap/s0.board'), ('s1', '/run/private/blog/hotswap/s1.board')]",
        "[('s0', '/run/shop/hotswap/s0.board'), ('s1', '/run/private/blog/hotswap/s1.board')]",
    ]


def test_a_runtime_directory_of_another_user() -> None:
    """A variable that was inherited from another user's service is passed over."""
    assert run(
        """
server("s", 1234, environ={"RUNTIME_DIRECTORY": folder("/run/shop", 4321), "XDG_RUNTIME_DIR": ""})
found()
"""
    ) == ["[('s', '/tmp/hotswap-1234/s.board')]"]


def test_a_board_out_of_reach_is_found_by_its_process() -> None:
    """A directory that has no name here (PrivateTmp=), and none at all: the processes' title tells."""
    assert run(
        """
server("there", 1234, title="hotswap: app gen 1 [serving]")
os.rename("/tmp/hotswap-1234", "/tmp/elsewhere")
server("nowhere", 4321, at=folder("/srv/x", 4321), title="hotswap: app gen 1 [serving]")
os.unlink("/srv/x/nowhere.board")
server("untitled", 5555, at=folder("/srv/y", 5555))
found()
"""
    ) == ["[('nowhere', ''), ('there', '/tmp/elsewhere/there.board')]"]


def test_traps_are_passed_over() -> None:
    """Links on the way and in the place of a board, FIFOs, devices, a large file, a folder that others may write to."""
    assert run(
        """
server("real", 1234, at=folder("/run/lock/hotswap", 1234))
server("linked", 1234, at=folder("/srv/elsewhere/hotswap", 1234))
os.symlink("/srv/elsewhere", "/run/trap")
os.symlink("/srv/elsewhere", "/run/lock/trap")
folder("/run/lock/deeper", 1234)
os.symlink("/srv/elsewhere/hotswap", "/run/lock/deeper/hotswap")
server("open", 1234, at=folder("/run/open/hotswap", 1234))
os.chmod("/run/open/hotswap", 0o777)
os.mkfifo("/run/lock/fifo")
os.mkfifo("/run/lock/hotswap/fifo.board")
os.symlink("/dev/zero", "/run/lock/hotswap/zero.board")
os.mknod("/run/lock/hotswap/device.board", 0o20644, os.makedev(1, 5))
with open("/run/lock/hotswap/large.board", "wb") as large:
    large.truncate(1 << 50)
found()
"""
    ) == ["[('real', '/run/lock/hotswap/real.board')]"]


def test_a_lock_of_another_user_is_no_reason_to_signal() -> None:
    """A user's board names a daemon of root's, which that user has brought to lock the file: it is left alone."""
    output = run(
        """
board = folder("/run/lock/hotswap", 1234)
server("shop", 1234, at=board)
path = f"{board}/shop.board"
def lock():
    global fd
    fd = os.open(path, os.O_RDWR)
    locks.try_lock(fd, layout.slot_at(1))
victim = child(lock)
forged = bytearray(layout.SIZE)
slot = slots.Slot(forged, 1, slots.SlotOwner(2, "server"), lambda slot: None)
slot.pid = victim
slot.set_state("serving")
with open(path, "r+b") as file:
    file.seek(layout.slot_at(1))
    file.write(forged[layout.slot_at(1) : layout.slot_at(2)])
sys.stderr = sys.stdout
for word in ("restart", "stop"):
    print(cli.main([word, "shop"]))
print(os.waitpid(victim, os.WNOHANG), victim)
"""
    )
    *said, last = output
    victim = last.split()[-1]
    refused = f"pid {victim} is on a scoreboard of uid 1234, and runs as another user: it gets no signal"
    assert [line for line in said if line in ("0", "1") or refused in line] == [
        f"hotswap restart: {refused}", "1", f"hotswap stop: {refused}", "1"
    ]  # fmt: skip
    assert last == f"(0, 0) {victim}"


def test_the_user_is_told_where_a_command_has_looked() -> None:
    """All places, and the processes."""
    output = run('sys.stderr = sys.stdout; print(cli.main(["status", "--json"])); print(cli.main(["status"]))')
    assert output[0] == "[]"
    assert output[-1] == "1"
    assert output[-2] == (
        "hotswap status: no server is running here that you may see (looked in /run/hotswap, /tmp/hotswap-0, "
        "/run/*/hotswap, /run/*/*/hotswap, /tmp/hotswap-*, and at the processes whose title begins with 'hotswap:'): "
        "start one, or name a pid or a --run-dir"
    )
