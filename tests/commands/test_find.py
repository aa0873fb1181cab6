"""Which server a command means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hotswap.cli.find_server import find, read_pid
from hotswap.errors import NoSuchServer
from tests.commands.conftest import Bench


def name_of(target: str | None, run_dir: str) -> str:
    """Return the name of the server that is found, with its board closed again."""
    board = find(target, run_dir)
    try:
        return board.name
    finally:
        board.close()


def test_the_only_one(bench: Bench) -> None:
    """Where one server runs it need not be named."""
    bench.server("shop")
    assert name_of(None, bench.run_dir) == "shop"


def test_by_name_pid_and_pid_file(bench: Bench, tmp_path: Path) -> None:
    """A name, a pid and a pid file lead to the same server, whatever else runs."""
    bench.server("blog")
    shop = bench.server("unix:/run/shop.sock")
    pid_file = tmp_path / "shop.pid"
    pid_file.write_text(f"{shop.pid}\n")
    for target in ("unix:/run/shop.sock", str(shop.pid), str(pid_file)):
        assert name_of(target, bench.run_dir) == "unix:/run/shop.sock"


def test_nothing_stays_open(bench: Bench) -> None:
    """The boards of the servers that were not meant are closed."""
    bench.server("shop")
    bench.server("blog")
    before = sorted(os.listdir("/proc/self/fd"))
    assert name_of("blog", bench.run_dir) == "blog"
    with pytest.raises(NoSuchServer):
        find("other", bench.run_dir)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_several(bench: Bench) -> None:
    """Two servers, or two of one name, are not chosen between."""
    first, second = bench.server("shop"), bench.server("shop")
    with pytest.raises(NoSuchServer) as caught:
        find("shop", bench.run_dir)
    assert "2 servers are running" in str(caught.value)
    assert all(f"shop (pid {server.pid})" in str(caught.value) for server in (first, second))
    with pytest.raises(NoSuchServer, match="name one of them, or its pid"):
        find(None, bench.run_dir)


def test_wrong_name(bench: Bench) -> None:
    """The servers that do run are named."""
    bench.server("shop")
    with pytest.raises(NoSuchServer, match=r"no server is called 'shopp', .* running are shop"):
        find("shopp", bench.run_dir)


def test_none(bench: Bench) -> None:
    """Where no server runs, that is said."""
    with pytest.raises(NoSuchServer, match="no server is running here that you may see"):
        find(None, bench.run_dir)


def test_a_dead_server_is_none(bench: Bench) -> None:
    """A board whose server was killed is no server, under any of its names."""
    server = bench.server()
    server.kill()
    for target in ("shop", str(server.pid)):
        with pytest.raises(NoSuchServer):
            find(target, bench.run_dir)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("shop\n", "is no pid file ('shop' is no pid)"), ("", "is no pid file ('' is no pid)")],
)
def test_no_pid_file(tmp_path: Path, content: str, sentence: str) -> None:
    """A file that holds no pid is named."""
    path = tmp_path / "pid"
    path.write_text(content)
    with pytest.raises(NoSuchServer) as caught:
        read_pid(str(path))
    assert sentence in str(caught.value)


def test_pid_file_that_is_gone(tmp_path: Path) -> None:
    """So is one that cannot be read, with the cause."""
    with pytest.raises(NoSuchServer, match=r"cannot read the pid file .* \(no such file or directory\)"):
        read_pid(str(tmp_path / "pid"))


def test_a_stale_pid_file_is_named(bench: Bench, tmp_path: Path) -> None:
    """What the user wrote is the file, so the sentence is about the file, and the pid in it."""
    bench.server("shop")
    pid_file = tmp_path / "blog.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    with pytest.raises(NoSuchServer) as caught:
        find(str(pid_file), bench.run_dir)
    cause = f"pid {os.getpid()} is not a hotswap server"
    assert str(caught.value) == f"the pid file {pid_file} is of no server that you may see ({cause})"
