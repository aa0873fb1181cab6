"""Websockets by the list of Autobahn|Testsuite, against an application that echoes."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from tests.engine.asgi.asgi_server import AsgiServer
from tests.engine.asgi.autobahn_cases import CLOSE, MESSAGES, OFFERS, TEXT, Case, Frame, Offer, cases, close
from tests.engine.asgi.websocket_apps import WebsocketApp, echo
from tests.engine.engine_server import DEADLINE, Client, request

_ASKS = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
CASES = cases()


@pytest.fixture(scope="module")
def server(live: None) -> Iterator[AsgiServer]:
    """One for all cases: what a client did wrong is no other one's harm."""
    made = AsgiServer(WebsocketApp(echo), loop="uvloop", asgi={"ws_max_size": 1 << 24})
    made.start()
    yield made
    made.end()


@pytest.fixture
def client(server: AsgiServer) -> Iterator[Client]:
    """One whose handshake is done, without extensions."""
    made = server.connect()
    made.send(request("/", *_ASKS, "Sec-WebSocket-Version: 13"))
    assert made.head().status == 101
    yield made
    made.close()


def read(client: Client) -> Frame:
    """The server's next message or control frame; it sends them whole, and never masks."""
    first, size = client.exactly(2)
    assert first & 0xF0 == 0x80
    if size >= 126:
        size = int.from_bytes(client.exactly({126: 2, 127: 8}[size]), "big")
    return first & 0x0F, client.exactly(size)


def read_to_close(client: Client) -> Iterator[Frame]:
    """All of them, the close frame too."""
    opcode = 0
    while opcode != CLOSE:
        opcode, data = read(client)
        yield opcode, data


def send(client: Client, case: Case) -> None:
    """As the case wants it cut. A server that has closed takes no more."""
    pieces = case.sends
    if case.chop:
        data = b"".join(pieces)
        pieces = [data[at : at + case.chop] for at in range(0, len(data), case.chop)]
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            client.send(piece)


@pytest.mark.parametrize("number", CASES)
def test_case(client: Client, number: str) -> None:
    case = CASES[number]
    send(client, case)
    code, answers = case.code, []
    if code is None:
        answers = [read(client) for _ in case.answers]
        client.send(close(1000))
        code = 1000
    answers += read_to_close(client)
    opcode, data = answers.pop()
    assert (opcode, int.from_bytes(data[:2], "big")) == (CLOSE, code)
    # Without pytest's view of them: they are long.
    whole = answers == list(case.answers)
    assert whole or (case.may_be_cut and answers == list(case.answers[:-1]))
    with contextlib.suppress(OSError):
        client.send(close(code or 1000))
    assert client.rest() == b""


def factory(offer: Offer) -> ClientPerMessageDeflateFactory:
    return ClientPerMessageDeflateFactory(
        server_no_context_takeover=offer.server_no_context_takeover,
        server_max_window_bits=offer.server_max_window_bits,
        client_max_window_bits=True,
    )


@pytest.mark.parametrize("number", OFFERS)
def test_compression(server: AsgiServer, number: str) -> None:
    """What compresses well, and what does not; whole, and in fragments."""
    host, port = server.address
    generator = random.Random(number)
    words = "".join(generator.choice(("hot", "swap", "é", "\n", "{}")) for _ in range(40_000))
    with connect(
        f"ws://{host}:{port}/", open_timeout=DEADLINE, proxy=None, compression=None, max_size=None,
        extensions=[factory(offer) for offer in OFFERS[number]],
    ) as websocket:  # fmt: skip
        assert websocket.response is not None
        said = websocket.response.headers["sec-websocket-extensions"]
        assert said.startswith("permessage-deflate")
        assert ("server_no_context_takeover" in said) == OFFERS[number][0].server_no_context_takeover
        for size, piece in MESSAGES:
            for data in (words[:size], generator.randbytes(size)):
                pieces = [data[at : at + piece] for at in range(0, len(data), piece)] if piece else data
                for _ in range(3):
                    websocket.send(pieces)
                    assert websocket.recv(DEADLINE) == data


def test_every_case_has_its_number() -> None:
    """As many as Autobahn has in each family that is whole here."""
    count = {family: sum(number.split(".")[0] == family for number in CASES) for family in "123456790"}
    assert count == {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 34, "9": 52, "0": 0}
    assert CASES["6.1.1"].answers == [(TEXT, b"")]
