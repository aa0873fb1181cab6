"""HTTPS across restarts: TLS connections stay where their keys are, and no client is turned away or cut off."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.asking import connect, read_answer, request
from tests.certificates import NEEDS_OPENSSL, Certificate, make
from tests.eventually import eventually
from tests.harness import Program
from tests.traffic.answers import Answer

pytestmark = NEEDS_OPENSSL


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls"))


def start(program: Program, certificate: Certificate, **settings: Any) -> Program:
    """A program that serves HTTPS."""
    return program.start(certfile=str(certificate.cert), keyfile=str(certificate.key), **settings)


def secure(program: Program, certificate: Certificate) -> ssl.SSLSocket:
    """A client behind its handshake; an end without close_notify is an error for it."""
    return certificate.client().wrap_socket(
        connect(program.address), server_hostname="localhost", suppress_ragged_eofs=False
    )


def ask(sock: socket.socket, path: str) -> Answer:
    sock.sendall(request(path))
    return read_answer(sock)


class Caller(threading.Thread):
    """Asks again and again; a new connection only where the server said close, or its own turn to do so."""

    def __init__(self, program: Program, certificate: Certificate, *, kept: bool) -> None:
        super().__init__(daemon=True)
        self._program = program
        self._certificate = certificate
        self._kept = kept
        self._enough = threading.Event()
        self.answers = 0
        self.generations: set[str] = set()
        self.failures: list[BaseException] = []

    def run(self) -> None:
        try:
            while not self._enough.is_set():
                self._connection()
        except BaseException as error:  # noqa: BLE001  shown by the test's own thread
            self.failures.append(error)

    def _connection(self) -> None:
        with secure(self._program, self._certificate) as sock:
            for number in range(10_000 if self._kept else 1):
                answer = ask(sock, f"/echo/{number}")
                assert answer.status == 200
                assert answer.body.startswith(b"%d " % number)
                self.answers += 1
                self.generations.add(answer.headers.get("x-generation", ""))
                if self._enough.is_set():
                    return
                if answer.headers.get("connection") == "close":
                    assert sock.recv(1) == b""  # with close_notify, and no reset
                    return

    def finish(self) -> None:
        self._enough.set()
        self.join(30)


@pytest.fixture
def callers(program: Program, certificate: Certificate) -> Iterator[list[Caller]]:
    made = [Caller(program, certificate, kept=number < 3) for number in range(4)]
    yield made
    for caller in made:
        if caller.is_alive():
            caller.finish()


def seen(caller: Caller, generation: int) -> bool:
    """Whether that generation has answered it, or never will."""
    return str(generation) in caller.generations or bool(caller.failures)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("workers", [0, 2])
def test_restarts_under_tls_load(
    program: Program, certificate: Certificate, callers: list[Caller], workers: int
) -> None:
    """Kept and new TLS connections over five restarts: every request is answered, none is reset or cut."""
    start(program, certificate, workers=workers)
    for caller in callers:
        caller.start()
    for number in range(2, 7):
        program.deploy(version=str(number))
        program.restart(deadline=30)
        # Answers that were on their way when the last generation began to serve may still be its predecessor's.
        eventually(lambda number=number: all(seen(caller, number) for caller in callers), deadline=30)  # type: ignore[misc]
    for caller in callers:
        caller.finish()
    assert [caller.failures for caller in callers] == [[]] * len(callers)
    assert all("6" in caller.generations for caller in callers)
    program.settle(deadline=30)
    assert program.stop() == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_an_idle_connection_is_answered_once_more(program: Program, certificate: Certificate, workers: int) -> None:
    """By the generation that has its keys, with close; then that generation leaves."""
    start(program, certificate, workers=workers)
    first = program.pid
    with secure(program, certificate) as sock:
        assert ask(sock, "/").headers.get("x-generation") == "1"
        program.restart()
        program.wait_for("generation 2 .* serves: retiring")
        answer = ask(sock, "/")
        assert (answer.headers.get("x-generation"), answer.headers.get("connection")) == ("1", "close")
        assert sock.recv(1) == b""
    with secure(program, certificate) as sock:
        assert ask(sock, "/").headers.get("x-generation") == "2"
    program.wait_gone(first)
    program.settle()
    assert program.stop() == 0


def test_retire_timeout_bounds_it(program: Program, certificate: Certificate) -> None:
    """A client that does not ask again holds the old generation no longer than that."""
    start(program, certificate, retire_timeout=1)
    with secure(program, certificate) as sock:
        ask(sock, "/")
        program.restart()
        program.wait_gone(program.pid, deadline=15)
    assert program.stop() == 0


def _subject(program: Program, *trusted: Certificate) -> str:
    context = ssl.create_default_context()
    for one in trusted:
        context.load_verify_locations(one.cert)
    with context.wrap_socket(connect(program.address), server_hostname="localhost") as sock:
        assert ask(sock, "/").status == 200
        shown = sock.getpeercert()
    assert shown is not None
    subject: tuple[tuple[tuple[str, str], ...], ...] = shown["subject"]  # type: ignore[assignment]
    return dict(pair for names in subject for pair in names)["commonName"]


def test_a_new_certificate_is_served_after_a_restart(program: Program, tmp_path: Path) -> None:
    """Renewed in place, as certbot does; one that cannot be used changes nothing."""
    old, new = make(tmp_path / "a", "before"), make(tmp_path / "b", "after")
    live = Certificate(tmp_path / "live.pem", tmp_path / "live.key")
    live.cert.write_bytes(old.cert.read_bytes())
    live.key.write_bytes(old.key.read_bytes())
    start(program, live)
    assert _subject(program, old, new) == "before"
    live.cert.write_bytes(new.cert.read_bytes())
    mark = program.mark()
    program.hup()
    program.wait_for(r"restart failed, generation 1 serves on: (.|\n)*cannot use certfile \S+live.pem", since=mark)
    assert _subject(program, old, new) == "before"
    live.key.write_bytes(new.key.read_bytes())
    program.hup()
    program.wait_generation(2)
    program.wait_for("serves: retiring", since=mark)
    assert _subject(program, old, new) == "after"
    program.settle(deadline=20)
    assert program.stop() == 0


def test_a_file_that_is_missing_fails_the_start(program: Program) -> None:
    """With a sentence that names it."""
    program.start(certfile="/no/such.pem", ready=False)
    assert program.wait_status() != 0
    assert "cannot read certfile /no/such.pem (no such file or directory)" in program.text()


def test_what_is_told_about_it(program: Program, certificate: Certificate) -> None:
    """The address is an https:// one, and the health check of a successor works."""
    start(program, certificate, check="/version")
    assert program.url.startswith("https://127.0.0.1:")
    program.restart()
    program.settle()
    assert program.stop() == 0


def test_from_plain_to_tls_and_back(program: Program, certificate: Certificate) -> None:
    """A plain connection is not handed to a generation that expects handshakes, and is finished here."""
    program.start()
    with connect(program.address) as sock:
        ask(sock, "/")
        program.deploy(certfile=str(certificate.cert), keyfile=str(certificate.key))
        program.restart()
        assert sock.recv(1) == b""  # after a moment, and well
    with secure(program, certificate) as sock:
        assert ask(sock, "/").headers.get("x-generation") == "2"
        program.deploy(certfile=None, keyfile=None)
        program.restart()
        assert ask(sock, "/").headers.get("x-generation") == "2"
    assert program.get("/").headers.get("x-generation") == "3"
    program.settle(deadline=20)
    assert program.stop() == 0


def test_a_plain_client_makes_no_noise(program: Program, certificate: Certificate) -> None:
    """It reads a 400, the log nothing."""
    start(program, certificate)
    mark = program.mark()
    assert program.get("/").status == 400
    assert program.text()[mark:] == ""
    assert program.stop() == 0
