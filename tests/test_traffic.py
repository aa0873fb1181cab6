"""The load client must notice everything that can go wrong: one that overlooks a failure proves nothing."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.scripted import Behaviour, Peer, ScriptedServer, good_body, whole
from tests.traffic import KINDS, Failure, Result, Traffic
from tests.traffic.kinds import PIPELINED, Paths


def run(behave: Behaviour, kind: str, clients: int = 2, requests: int = 12, timeout: float = 9.0) -> Result:
    """A few requests of one kind of client against a server that behaves so."""
    with ScriptedServer(behave) as server:
        traffic = Traffic(server.address, {kind: clients}, seconds=1.5, requests=requests, timeout=timeout)
        with traffic:
            traffic.wait(5)
        return traffic.result()


def classes(result: Result) -> set[str]:
    """The classes of failure that were counted."""
    return {cls for counted in result.failures.values() for cls in counted}


def test_a_server_in_order_is_found_in_order() -> None:
    """Every kind of client gets good answers, nothing counts as failed or closed, and versions are learnt."""
    clients = dict.fromkeys(KINDS, 2)
    with ScriptedServer() as server:
        with Traffic(server.address, clients) as traffic:
            for _ in range(3):
                traffic.restarted()
                traffic.wait(0.1)
            eventually(lambda: traffic.snapshot().answered.keys() == KINDS.keys())
        result = traffic.result()
    assert result.failures == {}, result
    assert result.closed_by_server == 0, result
    assert result.answered.keys() == KINDS.keys()
    assert result.versions == {"1": result.requests}
    assert result.generations == {"1": result.requests}
    assert 0 < result.slowest < 5
    assert result.opened == server.accepted


def test_connections_are_kept() -> None:
    """Only one-shot clients open more than one connection against a server that closes none."""
    kept = {kind: 1 for kind in KINDS if kind != "one-shot"}
    with ScriptedServer() as server:
        with Traffic(server.address, kept) as traffic:
            eventually(lambda: traffic.snapshot().answered.get("keep-alive", 0) > 50)
        assert traffic.result().opened == server.accepted == len(kept)


def _silent_close(peer: Peer) -> None:
    peer.request()


def _reset(peer: Peer) -> None:
    peer.request()
    peer.reset()


def _half(peer: Peer) -> None:
    request = peer.request()
    if request:
        answer = whole(good_body(request))
        peer.send(answer[: len(answer) - 3])


def _truncated_chunks(peer: Peer) -> None:
    request = peer.request()
    if request:
        body = good_body(request)
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body))


def _nothing(peer: Peer) -> None:
    peer.request()
    peer.await_close()


def _unavailable(peer: Peer) -> None:
    while request := peer.request():
        peer.answer(good_body(request), status="503 Service Unavailable")


def _somebody_elses(peer: Peer) -> None:
    while peer.request():
        peer.answer(b"hello somebody else")


def _garbage(peer: Peer) -> None:
    while peer.request():
        peer.send(b"hello\r\n\r\n")


def _no_length(peer: Peer) -> None:
    while request := peer.request():
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + good_body(request))


def _two_answers(peer: Peer) -> None:
    while request := peer.request():
        peer.send(whole(good_body(request)) * 2)


def _unclosing(peer: Peer) -> None:
    while request := peer.request():
        peer.answer(good_body(request))


@pytest.mark.parametrize(
    ("behave", "cls", "closed"),
    [
        (_silent_close, "closed_without_answer", True),
        (_reset, "reset", True),
        (_half, "closed_mid_answer", True),
        (_truncated_chunks, "closed_mid_answer", True),
        (_nothing, "timeout", False),
        (_unavailable, "bad_status", False),
        (_somebody_elses, "wrong_body", False),
        (_garbage, "malformed", False),
        (_no_length, "malformed", False),
        (_two_answers, "unasked", False),
    ],
)
def test_each_misdeed_has_its_class(behave: Behaviour, cls: str, closed: bool) -> None:
    """What is done wrong to a keep-alive client is counted under its own name, and so is which side closed."""
    result = run(behave, "keep-alive", timeout=0.3 if cls == "timeout" else 9.0)
    assert classes(result) == {cls}, result
    assert (result.closed_by_server > 0) is closed, result
    assert result.examples
    assert cls in str(result)


def test_words_that_nobody_asked_for_are_found() -> None:
    """Bytes that come while the client is idle belong to no answer."""

    def behave(peer: Peer) -> None:
        while request := peer.request():
            peer.answer(good_body(request))
            peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

    with ScriptedServer(behave) as server:
        with Traffic(server.address, {"idle": 1}) as traffic:
            eventually(lambda: traffic.snapshot().failures)
        assert classes(traffic.result()) == {"unasked"}


def test_reset_in_the_middle_of_an_answer_is_told_from_a_close() -> None:
    """A reset that comes when the client has read half of an answer is not the reset of an unread request."""

    def behave(peer: Peer) -> None:
        _half(peer)
        peer.reset_when_read()

    result = run(behave, "keep-alive")
    assert classes(result) == {"reset_mid_answer"}, result
    assert result.closed_by_server == sum(result.failures["keep-alive"].values())


def test_refused_connections_are_counted_and_do_not_spin() -> None:
    """No process listens: each attempt is a failure, made at intervals, and it ends in time."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with Traffic(f"127.0.0.1:{free.getsockname()[1]}", {"one-shot": 1}, seconds=0.3) as traffic:
            assert traffic.wait(5)
    result = traffic.result()
    assert classes(result) == {"refused"}
    assert 2 <= result.failed <= 30
    assert result.opened == 0


def test_a_unix_path_that_is_missing_is_no_connection(tmp_path: Path) -> None:
    """A path that does not exist is another failure to connect."""
    with Traffic(f"unix:{tmp_path}/none.sock", {"keep-alive": 1}, seconds=0.1) as traffic:
        traffic.wait(5)
    assert classes(traffic.result()) == {"not_connected"}


def test_an_answer_that_announces_the_close_is_a_closed_connection() -> None:
    """`Connection: close` is answered well, and counted as a connection the server ended."""

    def behave(peer: Peer) -> None:
        if request := peer.request():
            peer.answer(good_body(request), "Connection: close")

    result = run(behave, "keep-alive")
    assert result.failures == {}
    assert result.closed_by_server == result.closed_in_answer == result.requests == 12


@pytest.mark.parametrize("reset", [False, True])
def test_an_end_between_requests_is_a_closed_connection(reset: bool) -> None:
    """FIN or RST while the client is idle is no failed request, but it is counted."""

    def behave(peer: Peer) -> None:
        if request := peer.request():
            peer.answer(good_body(request))
            if reset:
                peer.reset_when_read()

    with ScriptedServer(behave) as server:
        with Traffic(server.address, {"idle": 3}) as traffic:
            eventually(lambda: traffic.snapshot().closed_by_server >= 3)
        result = traffic.result()
    assert result.failures == {}, result
    assert 3 <= result.closed_by_server <= result.requests, result
    assert result.closed_in_answer == 0


def test_an_end_after_the_last_request_is_seen() -> None:
    """A connection that the server ends when nothing more will be asked is counted too."""

    def behave(peer: Peer) -> None:
        if request := peer.request():
            # In one segment: the client looks for the end when it has its answer, and then no more.
            peer.sock.send(whole(good_body(request)), socket.MSG_MORE)
            peer.sock.shutdown(socket.SHUT_WR)

    with ScriptedServer(behave) as server:
        with Traffic(server.address, {"keep-alive": 1}, requests=1, pauses={"keep-alive": 1.0}) as traffic:
            assert traffic.wait(5)
        result = traffic.result()
    assert (result.requests, result.closed_by_server) == (1, 1)


def test_one_shot_wants_the_connection_closed() -> None:
    """A server that keeps a connection open that was to be closed is noticed."""
    result = run(_unclosing, "one-shot", timeout=0.3)
    assert classes(result) == {"not_closed"}, result
    assert result.closed_by_server == 0


def test_one_shot_that_is_closed_is_well() -> None:
    """The close that was asked for is neither a failure nor the server's doing."""

    def behave(peer: Peer) -> None:
        if request := peer.request():
            peer.answer(good_body(request), "Connection: close")

    result = run(behave, "one-shot")
    assert result.failures == {}, result
    assert (result.requests, result.closed_by_server) == (12, 0)


def test_a_reset_after_the_answer_is_noticed() -> None:
    """The answer arrived this time; on a longer way the reset would have destroyed it."""

    def behave(peer: Peer) -> None:
        if request := peer.request():
            peer.answer(good_body(request), "Connection: close")
            peer.reset_when_read()

    assert classes(run(behave, "one-shot")) == {"reset_after_answer"}


def test_every_unanswered_request_of_a_pipeline_counts() -> None:
    """Four are asked in one write, two answered, then the connection is closed: two are lost."""

    def behave(peer: Peer) -> None:
        for _ in range(PIPELINED):
            request = peer.request()
            if request and _ < 2:
                peer.answer(good_body(request))

    result = run(behave, "pipelining", clients=1, requests=PIPELINED)
    assert result.answered == {"pipelining": 2}
    assert result.failures == {"pipelining": {"closed_without_answer": 2}}


def test_answers_out_of_order_are_wrong() -> None:
    """Two answers of a pipeline that change places are both answers to other requests."""

    def behave(peer: Peer) -> None:
        asked = [peer.request() for _ in range(PIPELINED)]
        for request in reversed(asked):
            if request:
                peer.answer(good_body(request))

    assert classes(run(behave, "pipelining")) == {"wrong_body"}


def test_a_single_wrong_byte_in_a_long_answer_is_found() -> None:
    """The slow reader compares every byte."""

    def behave(peer: Peer) -> None:
        while request := peer.request():
            body = bytearray(good_body(request))
            body[700_000] ^= 1
            peer.answer(bytes(body))

    assert classes(run(behave, "slow-reader", clients=1, requests=1)) == {"wrong_body"}


def test_a_long_answer_cut_short_is_found() -> None:
    """The slow reader has taken most of it when the server closes."""
    result = run(_half, "slow-reader", clients=1, requests=1)
    assert result.failures == {"slow-reader": {"closed_mid_answer": 1}}


def test_an_upload_that_arrives_changed_is_found() -> None:
    """The digest of other bytes than those sent is wrong."""

    def behave(peer: Peer) -> None:
        while peer.request():
            peer.answer(b"0" * 64)

    assert classes(run(behave, "uploader", clients=1, requests=1)) == {"wrong_body"}


def test_an_upload_cut_off_is_found() -> None:
    """The server goes away in the middle of the body."""

    def behave(peer: Peer) -> None:
        peer.sock.recv(100_000)

    result = run(behave, "uploader", clients=1, requests=1)
    assert result.failures == {"uploader": {"reset": 1}}
    assert result.closed_by_server == 1


def test_a_close_between_the_halves_of_a_head_is_found() -> None:
    """The slow writer watches while it waits, and what it had begun to ask has failed."""

    def behave(peer: Peer) -> None:
        peer.sock.recv(1000)

    result = run(behave, "slow-writer", clients=1, requests=1)
    assert classes(result) <= {"reset", "closed_without_answer"}, result
    assert result.failed == result.closed_by_server == 1


def test_slow_writers_wait_for_the_news() -> None:
    """The second half of a head is sent when the test says that the restart has happened, not before."""
    with ScriptedServer() as server, Traffic(server.address, {"slow-writer": 2}) as traffic:
        assert not traffic.wait(0.3)
        assert traffic.snapshot().requests == 0
        traffic.restarted()
        eventually(lambda: traffic.snapshot().answered == {"slow-writer": 2})


def test_idle_clients_ask_again_after_the_news_on_the_same_connection() -> None:
    """Connections that were idle over a restart are used after it."""
    with ScriptedServer() as server:
        with Traffic(server.address, {"idle": 50}) as traffic:
            eventually(lambda: traffic.snapshot().answered == {"idle": 50})
            traffic.restarted()
            eventually(lambda: traffic.snapshot().answered == {"idle": 100})
        result = traffic.result()
    assert result.opened == server.accepted == 50


@pytest.mark.parametrize("bounds", [{"seconds": 0.3}, {"requests": 40}])
def test_traffic_ends_by_itself(bounds: Mapping[str, float]) -> None:
    """Bounded in time and in number, also for clients that wait for news that never come."""
    clients = {"keep-alive": 2, "pipelining": 1, "idle": 1, "slow-writer": 1}
    with ScriptedServer() as server:
        with Traffic(server.address, clients, **bounds) as traffic:  # type: ignore[arg-type]
            assert traffic.wait(8)
        result = traffic.result()
    assert result.failures == {}, result
    assert result.requests <= bounds.get("requests", 1_000_000) + PIPELINED


def test_a_kind_that_was_never_answered_counts_as_failed() -> None:
    """No outcome at all must not look like success."""
    with ScriptedServer() as server, Traffic(server.address, {"idle": 3}, requests=0) as traffic:
        traffic.wait(5)
    assert traffic.result().failures == {"idle": {"never_answered": 3}}


def test_a_mistake_in_a_client_is_no_success() -> None:
    """An exception on the clients' thread is raised to the test that asks for the result."""
    with ScriptedServer() as server:
        with Traffic(server.address, {"keep-alive": 1}, paths=Paths(echo="/{nonsense}")) as traffic:
            assert traffic.wait(5)
        with pytest.raises(RuntimeError, match="crashed"):
            traffic.result()


def test_unix_sockets(tmp_path: Path) -> None:
    """The same clients over a unix socket."""
    clients = {"keep-alive": 2, "pipelining": 1}
    with ScriptedServer(path=f"{tmp_path}/s.sock") as server, Traffic(server.address, clients) as traffic:
        eventually(lambda: traffic.snapshot().requests > 50)
        assert traffic.result().failures == {}


def test_a_failure_has_a_known_class() -> None:
    """A misspelt class would never be looked for."""
    with pytest.raises(ValueError, match="unknown class"):
        Failure("oops")
