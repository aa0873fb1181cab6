"""The run directory: which one is chosen, and that no other user's directory is ever used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hotswap.errors import SettingError
from hotswap.scoreboard import Scoreboard, list_servers, run_directory
from tests.live import starts_processes
from tests.system import namespaces

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make directories of other users")


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """What pam_systemd gives a user as XDG_RUNTIME_DIR."""
    path = tmp_path / "runtime"
    path.mkdir(mode=0o700)
    return path


def refusal(path: Path) -> str:
    """Why `path` is refused as run_dir."""
    with pytest.raises(SettingError) as refused:
        Scoreboard.create(str(path), "x")
    return str(refused.value)


# Which one


def test_order_for_a_user(runtime: Path) -> None:
    """A user's servers go to XDG_RUNTIME_DIR, else to the temporary directory."""
    uid = os.geteuid()
    environ = {"XDG_RUNTIME_DIR": str(runtime), "TMPDIR": "/var/tmp"}
    assert run_directory.candidates(environ, uid)[0] == f"{runtime}/hotswap"
    assert run_directory.candidates(environ, uid + 1) == [f"/var/tmp/hotswap-{uid + 1}", f"/tmp/hotswap-{uid + 1}"]
    assert run_directory.candidates({}, 1000) == ["/tmp/hotswap-1000"]


def test_order_for_root() -> None:
    """Root's go to /run without an XDG_RUNTIME_DIR of its own."""
    assert run_directory.candidates({}, 0) == ["/run/hotswap", "/tmp/hotswap-0"]


@pytest.mark.parametrize("value", ["", "relative/path", "/nonexistent", "."])
def test_environment_that_says_nothing(value: str) -> None:
    """An empty, relative or missing directory in the environment is passed over."""
    assert run_directory.candidates({"XDG_RUNTIME_DIR": value, "TMPDIR": ""}, 1000) == ["/tmp/hotswap-1000"]
    assert "/tmp/hotswap-1000" in run_directory.candidates({"TMPDIR": value}, 1000)


def test_directory_is_made_private(runtime: Path) -> None:
    """The directory is created for its user alone, and used again by the next server."""
    for _ in range(2):
        directory = run_directory.prepare(None, {"XDG_RUNTIME_DIR": str(runtime)})
        assert directory.path == f"{runtime}/hotswap"
        assert not os.get_inheritable(directory.fd)
        assert os.fstat(directory.fd).st_mode & 0o777 == 0o700
        os.close(directory.fd)


def test_configured_directory(tmp_path: Path) -> None:
    """run_dir is created with its parents, may be a link, and may be readable by others."""
    (tmp_path / "link").symlink_to(tmp_path / "real" / "deep")
    (tmp_path / "real" / "deep").mkdir(parents=True, mode=0o755)
    for path in (tmp_path / "new" / "deep", tmp_path / "link"):
        board = Scoreboard.create(str(path), "x")
        assert board.path == f"{os.path.realpath(path)}/x.board"
        assert [found.name for found in list_servers(str(path))] == []
        board.take_slot(1, "server").set_state("serving")
        board.close()


def test_relative_run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative run_dir is meant from the working directory; the board's path is absolute all the same."""
    monkeypatch.chdir(tmp_path)
    board = Scoreboard.create("run", "x")
    assert board.path == f"{tmp_path}/run/x.board"
    board.close()


# Whose


def test_open_directory_is_refused(tmp_path: Path) -> None:
    """A run_dir in which others may write is refused: they could put a board there under any name."""
    tmp_path.chmod(0o1777)
    assert refusal(tmp_path) == (
        f"run_dir: {tmp_path} is open to others (mode 1777): use a directory that only you write to"
    )
    assert os.listdir(tmp_path) == []


@root_only
def test_foreign_directory_is_refused(tmp_path: Path) -> None:
    """A run_dir of another user is refused, also by root, which could write there."""
    path = tmp_path / "theirs"
    path.mkdir(mode=0o700)
    os.chown(path, 12345, 12345)
    assert refusal(path) == f"run_dir: {path} belongs to uid 12345, not to uid 0"
    assert os.listdir(path) == []


def test_file_as_run_dir(tmp_path: Path) -> None:
    """A file is no directory, and the sentence says so."""
    (tmp_path / "file").write_text("")
    assert "file exists" in refusal(tmp_path / "file")
    assert "not a directory" in refusal(tmp_path / "file" / "deeper")


@root_only
def test_environment_of_another_user(runtime: Path) -> None:
    """`sudo` that keeps XDG_RUNTIME_DIR does not make root write into a user's directory."""
    os.chown(runtime, 1000, 1000)
    assert run_directory.candidates({"XDG_RUNTIME_DIR": str(runtime)}, 0) == ["/run/hotswap", "/tmp/hotswap-0"]


@pytest.mark.parametrize("trap", ["link", "open", "file"])
def test_prepared_directory(runtime: Path, trap: str) -> None:
    """What stands in the place of our directory and is not one of our own, closed to others, is not used."""
    place, elsewhere = runtime / "hotswap", runtime / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if trap == "link":
        place.symlink_to(elsewhere)
    elif trap == "open":
        place.mkdir()
        place.chmod(0o777)
    else:
        place.write_text("")
    with pytest.raises(run_directory.Unusable, match=str(place)):
        run_directory.open_checked(str(place), private=True)
    assert os.listdir(elsewhere) == []


@starts_processes
def test_attack_on_the_temporary_directory() -> None:
    """A link planted in /tmp before the first server starts is not followed: the board lives in memory."""
    output = namespaces.run(
        """
tmpfs("/run", "ro")
tmpfs("/tmp", "mode=1777")
os.mkdir("/tmp/target", 0o700)
os.symlink("/tmp/target", "/tmp/hotswap-0")
board = Scoreboard.create(None, "x")
print(board.path, os.listdir("/tmp/target"))
print(board.why_no_path)
board.close()
os.unlink("/tmp/hotswap-0")
os.mkdir("/tmp/hotswap-0")
os.chmod("/tmp/hotswap-0", 0o755)
print(Scoreboard.create(None, "x").why_no_path)
os.chmod("/tmp/hotswap-0", 0o700)
print(Scoreboard.create(None, "x").path)
"""
    )
    first, why, readable, last = output.splitlines()
    assert first == "None []"
    assert "cannot open /tmp/hotswap-0" in why
    assert "/tmp/hotswap-0 is open to others (mode 0755)" in readable
    assert last == "/tmp/hotswap-0/x.board"


# Searching


@starts_processes
def test_search_finds_a_server_started_elsewhere() -> None:
    """A command finds a server that was started with another environment, with or without XDG_RUNTIME_DIR."""
    output = namespaces.run(
        """
tmpfs("/tmp", "mode=1777")
tmpfs("/run", "mode=755")
os.makedirs("/run/user/0", 0o700)
for number, (name, environ) in enumerate([("plain", {}), ("desktop", {"XDG_RUNTIME_DIR": "/run/user/0"})]):
    os.environ.update(environ)
    Scoreboard.create(None, name).take_slot(1, "server").set_state("serving")
    for key in environ:
        del os.environ[key]
child = os.fork()
if not child:
    mine = [board for board in list_servers() if board.name in ("plain", "desktop")]  # not this machine's other servers
    print(sorted((board.name, board.path) for board in mine), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    )
    assert output.strip() == str(
        [("desktop", "/run/user/0/hotswap/desktop.board"), ("plain", "/run/hotswap/plain.board")]
    )


@root_only
@starts_processes
def test_root_sees_the_servers_of_all_users_and_no_traps() -> None:
    """Root's search finds every user's servers, in directories of the user they are named after only."""
    output = namespaces.run(
        """
tmpfs("/tmp", "mode=1777")
tmpfs("/run", "mode=755")
read, write = os.pipe()
user = os.fork()
if not user:
    os.setresuid(1234, 1234, 1234)
    board = Scoreboard.create(None, "theirs")
    board.take_slot(1, "server").set_state("serving")
    os.mkdir("/tmp/hotswap-777", 0o700)
    os.link(board.path, "/tmp/hotswap-777/trap.board")
    os.symlink("/tmp/hotswap-1234", "/tmp/hotswap-778")
    os.write(write, board.path.encode())
    import signal
    signal.pause()
print(os.read(read, 100).decode())
for board in list_servers():
    print(board.name, board.path, board.alive(user))
os.kill(user, 9)
os.waitpid(user, 0)
print(list_servers())
""",
        as_root=True,
    )
    assert output.splitlines() == [
        "/tmp/hotswap-1234/theirs.board",
        "theirs /tmp/hotswap-1234/theirs.board True",
        "[]",
    ]


@root_only
@starts_processes
def test_unreadable_files_are_passed_over() -> None:
    """A command that may not read a board does not show it, and does not fail."""
    output = namespaces.run(
        """
tmpfs("/tmp", "mode=1777")
tmpfs("/run", "mode=755")
os.mkdir("/run/dir", 0o755)
read, write = os.pipe()
server = os.fork()
if not server:
    board = Scoreboard.create("/run/dir", "x")
    board.take_slot(1, "server").set_state("serving")
    os.write(write, b"ready")
    import signal
    signal.pause()
os.read(read, 100)
print([board.name for board in list_servers("/run/dir")], flush=True)
if not os.fork():
    os.setresuid(1234, 1234, 1234)
    print(list_servers("/run/dir"), list_servers("/root"), list_servers("/nonexistent"), flush=True)
    os._exit(0)
os.wait()
os.kill(server, 9)
""",
        as_root=True,
    )
    assert output.splitlines() == ["['x']", "[] [] []"]


def test_search_leaves_no_descriptors(tmp_path: Path) -> None:
    """A search closes what it opened, also what it passed over."""
    (tmp_path / "garbage.board").write_bytes(b"x" * 200_000)
    Scoreboard.create(str(tmp_path), "dead").close()
    before = sorted(os.listdir("/proc/self/fd"))
    assert list_servers(str(tmp_path)) == []
    assert sorted(os.listdir("/proc/self/fd")) == before
