"""Engines for tests: each is stopped when its test ends, and a logged exception that it does not expect fails it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.certificates import Certificate
from tests.certificates import make as make_certificate
from tests.engine.engine_server import App, EngineServer, Serve


@pytest.fixture
def serve(live: None) -> Iterator[Serve]:
    """Starts engines on free ports: `serve(app, settings={...}, limit=value)`."""
    made: list[EngineServer] = []

    def start(app: App, **options: Any) -> EngineServer:
        made.append(EngineServer(app, **options))
        return made[-1].start()

    yield start
    for one in made:
        one.end()


@pytest.fixture(scope="session")
def certificate(live: None, tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """The server's."""
    return make_certificate(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def stranger(live: None, tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate that the server does not know."""
    return make_certificate(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture
def serve_tls(serve: Serve, certificate: Certificate) -> Serve:
    """As `serve`, with TLS."""

    def start(app: App, *, settings: dict[str, Any] | None = None, **limits: Any) -> EngineServer:
        files = {"certfile": str(certificate.cert), "keyfile": str(certificate.key)}
        return serve(app, settings={**files, **(settings or {})}, **limits)

    return start
