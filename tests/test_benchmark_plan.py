"""What the benchmark measures, by its command line: halves, servers and their commands, workloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.peer import Peer
from benchmarks.peers import PEERS
from benchmarks.plan import plans
from benchmarks.workloads import ASGI, WORKLOADS, WSGI
from tests.harness import ROOT


@pytest.mark.parametrize("half", ["--wsgi", "--asgi"])
def test_a_part_of_the_benchmark_does_not_replace_the_whole(tmp_path: Path, half: str) -> None:
    """Only a run without other options than the half's writes the files that are under version control."""
    assert plans([half])[0].report == ROOT / "docs" / "benchmarks.md"
    assert plans([half])[0].results.parent == ROOT / "benchmarks"
    for option in ("--quick", "--only=hello,fastapi", "--peers=hotswap,uvicorn", "--clients=1", "--rounds=3"):
        (part,) = plans([half, option, f"--folder={tmp_path}"])
        assert (part.report.parent, part.results.parent, part.whole) == (tmp_path, tmp_path, False)


def test_the_halves_share_nothing_but_the_page() -> None:
    """Each has its own servers, workloads and results; every usual server is in one of them, or is not installed."""
    wsgi, asgi = plans([])
    assert wsgi.report == asgi.report
    assert wsgi.results != asgi.results
    for one, interface in ((wsgi, WSGI), (asgi, ASGI)):
        assert {workload.interface for workload in one.workloads} == {interface}
        usual = {peer.name for peer in PEERS if peer.usual and peer.interface == interface}
        assert {peer.name for peer in (*one.peers, *one.absent)} == usual
        assert all(peer.needs and not peer.installed for peer in one.absent)
    assert [one.interface for one in plans(["--asgi"])] == [ASGI]


def test_a_run_of_what_cannot_be_measured_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A server for ASGI has no workload for WSGI: that is told, and nothing is written."""
    with pytest.raises(SystemExit):
        plans(["--only=hello", "--peers=uvicorn"])
    assert "none of these servers has any of these workloads" in capsys.readouterr().err


def test_clients_are_those_of_the_workload_unless_others_are_wanted() -> None:
    """Websockets and two workers are measured with many clients only."""
    names = "--only=fastapi,fastapi-2,asgi-echo"
    (own,), (wanted,) = plans([names]), plans([names, "--clients=3"])
    assert [own.clients_of(one) for one in own.workloads] == [(1, 64), (64,), (64,)]
    assert [wanted.clients_of(one) for one in own.workloads] == [(3,)] * 3


def test_every_peer_has_a_command_that_can_be_filled_in() -> None:
    """For one process or for two: nothing is left to fill in, and the address and the application are in it."""
    commands = [(peer, workload) for peer in PEERS for workload in WORKLOADS if peer.serves(workload)]
    assert {peer.name for peer, _ in commands} == {peer.name for peer in PEERS}
    for peer, workload in commands:
        words = peer.arguments("127.0.0.1:4242", workload)
        assert "{" not in "".join(words), peer.name
        assert any("4242" in word for word in words), peer.name
        assert any(workload.app in word for word in words), peer.name


def test_two_workers_are_asked_of_those_that_have_a_command_for_them() -> None:
    """A server that has none is not measured with one instead."""
    pair = next(one for one in WORKLOADS if one.name == "hello-2")
    names = {peer.name for peer in PEERS if peer.serves(pair)}
    assert {"hotswap", "granian", "gunicorn", "uvicorn-2"} <= names
    assert "waitress" not in names
    for peer in PEERS:
        if peer.serves(pair):
            assert "--workers 2" in " ".join(peer.arguments("127.0.0.1:1", pair)), peer.name


def test_an_access_log_is_asked_of_those_that_can_write_one() -> None:
    """The words for it stand behind the command, and in no other workload."""
    logged, hello = (next(one for one in WORKLOADS if one.name == name) for name in ("logged", "hello"))
    peers = {peer.name: peer for peer in PEERS if peer.serves(logged)}
    assert {"hotswap", "granian"} <= set(peers)
    assert "waitress" not in peers
    for peer in peers.values():
        plain, more = peer.arguments("127.0.0.1:1", hello), peer.arguments("127.0.0.1:1", logged)
        assert more == [*plain, *peer.log.split()]
        assert len(more) > len(plain)


def test_a_peer_that_is_not_installed_is_an_error() -> None:
    """It is not left out in silence."""
    with pytest.raises(BenchmarkError, match="no-such-server is not installed"):
        _ = Peer("none", "no-such-server", "none", "").version
