"""The pid file: what it holds at each step of a restart, and what it refuses before anything is started."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hotswap.errors import SettingError
from hotswap.system.pidfile import PidFile
from tests.eventually import DEADLINE
from tests.live import starts_processes
from tests.processes import ProcessTree

ROOT = Path(__file__).parents[2]
NOBODY = 65534

# A child that prepares a pid file at each argument as another user, and prints what it is told.
UNPRIVILEGED = """
import os, sys
from hotswap.errors import SettingError
from hotswap.system.pidfile import PidFile
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
for path in sys.argv[2:]:
    try:
        PidFile(path).prepare(4711)
    except SettingError as error:
        print(error)
"""


@pytest.fixture
def dead_pid(process_tree: ProcessTree) -> int:
    """The pid of a process that is gone."""
    with subprocess.Popen(["true"]) as process:
        process.wait(timeout=DEADLINE)
    return process.pid


def refusal(path: Path) -> str:
    with pytest.raises(SettingError) as caught:
        PidFile(path).prepare(4711)
    return str(caught.value)


def test_the_pid_appears_when_it_is_committed(tmp_path: Path) -> None:
    """Written aside first: a successor that fails before it serves has not touched the file."""
    path = tmp_path / "app.pid"
    pidfile = PidFile(path)
    pidfile.prepare(4711)
    assert not path.exists()
    pidfile.commit()
    assert path.read_text() == "4711\n"
    assert os.listdir(tmp_path) == ["app.pid"]


def test_the_file_names_the_predecessor_until_the_successor_serves(tmp_path: Path) -> None:
    """The file is replaced as a whole, and the predecessor that leaves does not remove the successor's."""
    path = tmp_path / "app.pid"
    predecessor, successor = PidFile(path), PidFile(path)
    predecessor.prepare(1001)
    predecessor.commit()
    successor.prepare(1002)
    assert PidFile.read(path) == 1001
    successor.commit()
    assert PidFile.read(path) == 1002
    assert not predecessor.remove()
    assert PidFile.read(path) == 1002


def test_a_predecessor_takes_the_file_back(tmp_path: Path) -> None:
    """When the successor is dead, the file names the process that serves again, and goes when that one stops."""
    path = tmp_path / "app.pid"
    predecessor, successor = PidFile(path), PidFile(path)
    for pidfile, pid in ((predecessor, 1001), (successor, 1002)):
        pidfile.prepare(pid)
        pidfile.commit()
    predecessor.take_back(1001)
    assert PidFile.read(path) == 1001
    assert predecessor.remove()
    assert os.listdir(tmp_path) == []


def test_a_failed_boot_leaves_nothing(tmp_path: Path) -> None:
    """What was written aside is removed, and what is at the path stays."""
    path = tmp_path / "app.pid"
    path.write_text("1001\n")
    successor = PidFile(path)
    successor.prepare(1002)
    successor.abandon()
    successor.abandon()
    successor.commit()
    assert path.read_text() == "1001\n"
    assert os.listdir(tmp_path) == ["app.pid"]


def test_removing_what_is_not_there(tmp_path: Path) -> None:
    """Nothing prepared, or a file that an operator deleted: nothing to do, and no error."""
    pidfile = PidFile(tmp_path / "app.pid")
    assert not pidfile.remove()
    pidfile.prepare(1001)
    pidfile.commit()
    (tmp_path / "app.pid").unlink()
    assert not pidfile.remove()


def test_leftovers_of_the_same_pid_are_no_obstacle(tmp_path: Path) -> None:
    """In a container every run has the same pid, and may have been killed before it cleaned up."""
    path = tmp_path / "app.pid"
    path.write_text("7\n")
    PidFile(path).prepare(7)
    again = PidFile(path)
    again.prepare(7)
    again.commit()
    assert os.listdir(tmp_path) == ["app.pid"]
    assert again.remove()


def test_everybody_may_read_it(tmp_path: Path) -> None:
    """Monitoring runs as another user, whatever the umask of the server is."""
    before = os.umask(0o077)
    try:
        pidfile = PidFile(tmp_path / "app.pid")
        pidfile.prepare(1001)
        pidfile.commit()
    finally:
        os.umask(before)
    assert (tmp_path / "app.pid").stat().st_mode & 0o777 == 0o644


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application may change the directory after the file was written."""
    monkeypatch.chdir(tmp_path)
    pidfile = PidFile("app.pid")
    pidfile.prepare(1001)
    monkeypatch.chdir("/")
    pidfile.commit()
    assert os.listdir(tmp_path) == ["app.pid"]
    assert pidfile.remove()


def test_no_directory(tmp_path: Path) -> None:
    """A directory is not made in passing: it may be a spelling mistake."""
    path = tmp_path / "none" / "app.pid"
    assert refusal(path) == f"cannot write the pid file {path} (there is no directory {path.parent}): make it first"


def test_a_file_as_the_directory(tmp_path: Path) -> None:
    """What stands in the way is named."""
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "app.pid"
    assert refusal(path) == (
        f"cannot write the pid file {path} ({path.parent} is not a directory): choose another path"
    )


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """Any other cause is given in the system's words."""
    path = tmp_path / ("a" * 255)
    assert refusal(path) == f"cannot write the pid file {path} (file name too long): choose another path"


def test_the_path_is_a_directory(tmp_path: Path) -> None:
    """A mistake that the rename would find only when the server serves already."""
    sentence = f"cannot write the pid file {tmp_path} (it is a directory): choose another path"
    assert refusal(tmp_path) == sentence
    assert os.listdir(tmp_path) == []


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    """Root could rename a file over /dev/null: only a regular file is replaced."""
    (tmp_path / "null").symlink_to(os.devnull)
    path = tmp_path / "null"
    assert refusal(path) == f"cannot write the pid file {path} (it is not a regular file): choose another path"


def test_a_commit_that_cannot_be_done_changes_nothing(tmp_path: Path) -> None:
    """The path has become a directory meanwhile: an error, and nothing is left behind."""
    pidfile = PidFile(tmp_path / "app.pid")
    pidfile.prepare(1001)
    (tmp_path / "app.pid").mkdir()
    with pytest.raises(SettingError, match=r"cannot write the pid file .* \(is a directory\)"):
        pidfile.commit()
    assert os.listdir(tmp_path) == ["app.pid"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what another user may not touch")
@starts_processes
def test_without_the_right_to_write(open_dir: Path) -> None:
    """A directory that belongs to root, and a file of root's in a directory such as /tmp."""
    (open_dir / "sticky").mkdir()
    (open_dir / "sticky").chmod(0o1777)
    (open_dir / "sticky" / "app.pid").write_text("1\n")
    plain, sticky = open_dir / "app.pid", open_dir / "sticky" / "app.pid"
    command = [sys.executable, "-c", UNPRIVILEGED, str(NOBODY), str(plain), str(sticky)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert done.stdout.splitlines() == [
        f"cannot write the pid file {plain} (permission denied): give this user the right to write in {open_dir}",
        f"cannot write the pid file {sticky} (uid 0 has a file there): choose another path",
    ]


def test_the_holder_is_a_living_stranger(tmp_path: Path, dead_pid: int) -> None:
    """A process that is there and is not this one; a stale file has no holder."""
    pidfile = PidFile(tmp_path / "app.pid")
    path = tmp_path / "app.pid"
    assert pidfile.holder() is None
    for pid, holder in ((os.getpid(), None), (dead_pid, None), (os.getppid(), os.getppid())):
        path.write_text(f"{pid}\n")
        assert pidfile.holder() == holder


def test_another_servers_file_is_not_replaced(tmp_path: Path) -> None:
    """Neither when it is taken nor when it is taken back, and it is looked at anew each time."""
    path = tmp_path / "app.pid"
    path.write_text(f"{os.getppid()}\n")
    names = {os.getppid(): ""}
    pidfile = PidFile(path, names.__getitem__)
    pidfile.prepare(4711)
    names[os.getppid()] = "shop"
    for act in (pidfile.check, lambda: pidfile.prepare(4711), lambda: pidfile.take_back(4711)):
        with pytest.raises(SettingError, match=f"is in use by pid {os.getppid()}, which serves shop: choose another"):
            act()
    assert path.read_text() == f"{os.getppid()}\n"


@starts_processes
def test_a_zombie_holds_nothing(tmp_path: Path) -> None:
    """A zombie serves no client."""
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        (tmp_path / "app.pid").write_text(f"{process.pid}\n")
        assert PidFile(tmp_path / "app.pid").holder() is None


@pytest.mark.parametrize(
    ("content", "pid"),
    [
        (b"4711\n", 4711),
        (b" 4711 \n\n", 4711),
        (b"4711", 4711),
        (b"", None),
        (b"\n", None),
        (b"0\n", None),
        (b"-1\n", None),
        (b"+1\n", None),
        (b"1_0\n", None),
        (b"12 13\n", None),
        (b"4194305\n", None),
        (b"9" * 5000, None),
        ("\u0663".encode(), None),
        (b"\xff\xfe\n", None),
        (b"app.sock", None),
    ],
)
def test_only_a_pid_is_read_as_one(content: bytes, pid: int | None, tmp_path: Path) -> None:
    """What a command is about to send a signal to must be a pid, not what a file happens to hold."""
    path = tmp_path / "app.pid"
    path.write_bytes(content)
    assert PidFile.read(path) == pid


@given(st.binary(max_size=80))
@example(b"4711\0")
def test_reading_never_fails(content: bytes) -> None:
    """Any content is a pid or none."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        pid = PidFile.read(file.name)
    assert pid is None or int(content) == pid > 0


def test_what_is_not_a_file_has_no_pid(tmp_path: Path) -> None:
    """Missing, a directory, a pipe without a writer (which must not be waited for), not even a path."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe", "a\0b"):
        assert PidFile.read(path) is None


def test_handed_to_another_process(tmp_path: Path) -> None:
    """Only while it names the one that hands it on, and what the other has written aside stays where it is."""
    path = tmp_path / "pid"
    ours, theirs = PidFile(path), PidFile(path)
    ours.take_back(1001)
    theirs.prepare(1002)
    ours.hand_to(1003)
    assert path.read_text() == "1003\n"
    theirs.commit()
    assert path.read_text() == "1002\n"
    ours.hand_to(1003)
    assert path.read_text() == "1002\n"
    ours.discard()
    assert [file.name for file in tmp_path.iterdir()] == ["pid"]
