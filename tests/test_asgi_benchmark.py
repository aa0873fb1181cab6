"""The half of the benchmark for ASGI: its applications, its websockets, and its section of the page."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from benchmarks.apps.answers import ECHOED
from benchmarks.apps.counted_asgi import Message
from benchmarks.echo import check_echo, echo_load
from benchmarks.errors import BenchmarkError
from benchmarks.machine import LOAD_BEFORE
from benchmarks.page import with_half
from benchmarks.peers import PEERS
from benchmarks.plan import plans
from benchmarks.report import Report
from benchmarks.results import Figures, Measurement, Row
from benchmarks.targets import cpu_verdicts
from benchmarks.workloads import ASGI, ASGI_WORKLOADS, RAW_ASGI, WSGI, Echo, Workload

ECHO = Echo("/echo", ECHOED)
PIECE = 300_000  # bytes of a request's body in one message
Answer = Callable[[ServerConnection], None]


def call(app: str, scope: dict[str, Any], messages: Sequence[Message]) -> list[Message]:
    """What an application of the benchmark sends when it is sent these."""
    received, sent = iter(messages), list[Message]()

    async def receive() -> Message:
        return next(received)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(importlib.import_module(app).application(scope, receive, send))
    return sent


def get(app: str, path: str, size: int = 0) -> bytes:
    """The body of the answer to a request with a body of so many bytes, which comes in several pieces."""
    head = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "http_version": "1.1"}
    pieces = [min(PIECE, size - begin) for begin in range(0, size, PIECE)] or [0]
    messages: list[Message] = [{"type": "http.request", "body": b"x" * one, "more_body": True} for one in pieces]
    messages[-1]["more_body"] = False
    start, *bodies = call(app, {**head, "root_path": "", "scheme": "http", "server": ("127.0.0.1", 1)}, messages)
    assert start["status"] == 200
    assert not bodies[-1].get("more_body", False)
    return b"".join(body.get("body", b"") for body in bodies)


@pytest.mark.parametrize("workload", ASGI_WORKLOADS, ids=lambda workload: workload.name)
def test_the_applications_answer_what_is_expected_of_servers(workload: Workload) -> None:
    """A server is not blamed for what its application does: each request is a call, and has its answer."""
    for ask in workload.asks:
        before = int(get(workload.app, "/calls"))
        assert get(workload.app, ask.path, ask.body) == ask.answer
        assert int(get(workload.app, "/calls")) == before + 2


def test_messages_of_a_websocket_are_calls() -> None:
    """Each comes back and is counted; the opening and the end are not."""
    before = int(get(RAW_ASGI, "/calls"))
    messages = [{"type": "websocket.connect"}, *[{"type": "websocket.receive", "text": "a"}] * 3]
    sent = call(RAW_ASGI, {"type": "websocket", "path": "/echo"}, [*messages, {"type": "websocket.disconnect"}])
    assert sent == [{"type": "websocket.accept"}, *[{"type": "websocket.send", "text": "a"}] * 3]
    assert int(get(RAW_ASGI, "/calls")) == before + 4


def test_lifespan_is_answered() -> None:
    """A server need not find out that the application has none."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = call(RAW_ASGI, {"type": "lifespan"}, messages)
    assert [one["type"] for one in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@contextmanager
def websockets(answer: Answer) -> Iterator[str]:
    """The address of a server that is not ours, whose websockets do that."""
    with serve(answer, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host, port = server.socket.getsockname()
        yield f"{host}:{port}"
        server.shutdown()
        thread.join()


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def test_websockets_get_their_messages_back() -> None:
    """All of them go on until the end, none has an answer under way then, and every message was counted."""
    seen: list[object] = []

    def counted(connection: ServerConnection) -> None:
        for message in connection:
            seen.append(message)
            connection.send(message)

    with websockets(counted) as address:
        length = check_echo(address, ECHO)
        found = echo_load(address, ECHO, clients=3, seconds=0.05)
    assert length == len(ECHOED) + 2
    assert found.requests >= 3
    assert set(seen) == {ECHOED}
    assert len(seen) == found.requests + 1
    assert (found.bytes, found.errors) == (found.requests * length, {})
    assert 0 < found.p50_ms <= found.p99_ms
    assert found.seconds >= 0.05


def mangled(connection: ServerConnection) -> None:
    for message in connection:
        assert isinstance(message, str)
        connection.send(message[:-1] + "X")


def longer(connection: ServerConnection) -> None:
    for message in connection:
        assert isinstance(message, str)
        connection.send(message + "!")


def closed(connection: ServerConnection) -> None:
    connection.recv()


@pytest.mark.parametrize("answer", [mangled, longer, closed])
def test_a_wrong_message_disqualifies(answer: Answer) -> None:
    """Another one, a longer one, and a close in its place."""
    with websockets(answer) as address:
        with pytest.raises(BenchmarkError, match=r"/echo sent .* back instead of"):
            check_echo(address, ECHO)
        with pytest.raises(BenchmarkError, match=r"/echo sent .* back instead of"):
            echo_load(address, ECHO, clients=2, seconds=0.05)


def test_a_websocket_that_is_refused_disqualifies() -> None:
    """With the answer that came in its place, or why there was none."""
    with (
        serve(
            echo, "127.0.0.1", 0, process_request=lambda connection, request: connection.respond(403, "no")
        ) as server,
        websockets(echo) as gone,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host, port = server.socket.getsockname()
        with pytest.raises(BenchmarkError, match=r"did not open a websocket: b'HTTP/1\.1 403 Forbidden"):
            check_echo(f"{host}:{port}", ECHO)
        server.shutdown()
        thread.join()
    with pytest.raises(BenchmarkError, match="did not open a websocket: ConnectionRefusedError"):
        check_echo(gone, ECHO)


def test_websockets_are_asked_of_servers_that_have_them() -> None:
    """FastPySGI has none; all the usual ones have."""
    workload = next(one for one in ASGI_WORKLOADS if one.echo)
    assert all(peer.serves(workload) for peer in PEERS if peer.interface == ASGI and peer.usual)
    assert not any(peer.serves(workload) for peer in PEERS if peer.name == "fastpysgi-asgi")


def test_hotswap_on_uvloop_is_held_against_the_targets() -> None:
    """Its peers run on uvloop; hotswap on asyncio has rows, and no targets."""
    cpu = {"hotswap-uvloop": 7.0, "hotswap-asyncio": 90.0, "uvicorn": 10.0, "granian-asgi": 5.0}
    found = [Row("asgi-hello", 64, peer, Figures(1.0, 1.0, 1.0, used)) for peer, used in cpu.items()]
    assert [(one.peer, one.ratio, one.limit, one.reached) for one in cpu_verdicts(found)] == [
        ("uvicorn", 0.7, 0.7, True),
        ("granian-asgi", 1.4, 1.05, False),
    ]


def test_the_section_is_a_part_of_the_page() -> None:
    """Its headings are one deeper, its targets are ours beside uvicorn, and it has no table of best peers."""
    measurements = [
        Measurement("fastapi", 64, peer, 1, Figures(100.0, 1.0, 1.0, cpu))
        for peer, cpu in (("hotswap-uvloop", 80.0), ("uvicorn", 100.0))
    ]
    wanted = plans(["--asgi", "--peers=hotswap-uvloop", "--only=fastapi"])[0]
    text = Report(wanted, {LOAD_BEFORE: "0.0"}, measurements).as_markdown()
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        *("## ASGI", "### Targets: 1 of 1 reached", "### Figures", "#### FastAPI hello", "### Where and how")
    ]
    assert "| fastapi  | 64      | uvicorn |    80.0 |    100 |  0.80 |     0.9 | reached, 11% to spare |" in text
    assert "best maintained peer" not in text


def test_a_busy_machine_is_told() -> None:
    """Whoever reads the figures sees first that they are worth little."""
    wanted = plans(["--asgi", "--peers=hotswap-uvloop", "--only=fastapi"])[0]
    text = Report(wanted, {LOAD_BEFORE: "1.75"}, []).as_markdown()
    assert "**Something else ran on this machine** (load average 1.75 before the start)" in text


def test_each_half_of_the_page_is_written_by_itself() -> None:
    """In any order, and again: what is new stands in the place of what there was, and the other half stays."""
    wsgi, asgi = "# Benchmark\n\nSee [below](#asgi).\n\n## Targets\n", "## ASGI\n\n### Targets\n"
    both = with_half(with_half("", WSGI, wsgi), ASGI, asgi)
    assert both == f"{wsgi}\n{asgi}"
    assert with_half(with_half("", ASGI, asgi), WSGI, wsgi) == both
    assert with_half(both, ASGI, "## ASGI\n\nnew\n") == f"{wsgi}\n## ASGI\n\nnew\n"
    assert with_half(both, WSGI, "# New\n") == f"# New\n\n{asgi}"
